// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "io/cache.h"

namespace onestep {

/// What `compute` returns, kept in the cache in one file that is mapped, so that starting reads little and
/// processes share the pages. `description` is as io::cached wants it. The array named `large` is compared
/// with its checksums whole where it has at most 128 MiB, at 128 places of 1 MiB where it has more, all
/// others (`names`) whole. A file that is damaged is told of and made anew. Without a folder to keep it in,
/// compute's result as it is.
io::NamedArrays packed_arrays(const io::Cache& cache, const std::string& description,
                              const std::string& large, const std::vector<std::string>& names,
                              const std::function<io::NamedArrays()>& compute);

/// A text as an array, and back.
at::Tensor array_of(const std::string& text);
std::string text_of(const at::Tensor& array);

}  // namespace onestep
