// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace onestep::io {

/// Bytes that image_problem has nothing against, decoded: uint8 [C,H,W]. What the decoder has to complain of,
/// be it a warning, is a FileError, and nothing is printed. Chunks of a PNG that do not carry pixels are not
/// looked at.
at::Tensor decode_png(std::string_view bytes, const std::filesystem::path& origin);
at::Tensor decode_jpeg(std::string_view bytes, const std::filesystem::path& origin);

}  // namespace onestep::io
