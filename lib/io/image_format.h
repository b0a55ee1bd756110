// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace onestep::io {

/// Why these bytes are not a whole PNG or JPEG file of upright 8-bit grey or RGB pixels; empty when they are.
/// Where onestep-data would make one of it, the command is named. Looks at the container alone, because
/// decoders fill what is missing with grey, convert silently, or print to stderr.
std::string image_problem(std::string_view bytes);

}  // namespace onestep::io
