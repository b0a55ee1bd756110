// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

namespace onestep::io {

/// The orientation (tag 0x0112 of the first directory) in EXIF data, which is laid out as a TIFF file: 1 is
/// upright, 2 to 8 are turned or mirrored. 1 where there is none, or where the data is damaged.
int exif_orientation(std::string_view tiff);

}  // namespace onestep::io
