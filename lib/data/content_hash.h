// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"

namespace onestep {

/// What a set is, wherever it lies and whatever it is called: the SHA-256 of dtype, shape and number of
/// classes, of the SHA-256 of its pixels (or coordinates) and of that of its labels; where latents are drawn
/// about means, of that and the SHA-256 of their spread. 64 hexadecimal digits.
/// Class names do not count. About a second per GB of images, unless the set brings its hash along.
std::string content_sha256(const Dataset& data);

/// The same of the parts; labels are zeros where classes = 0.
std::string content_sha256(const at::Tensor& images, const at::Tensor& labels, int64_t classes);

}  // namespace onestep
