// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

#include <ATen/core/Tensor.h>

namespace onestep {

/// One array of unsigned bytes in the idx format of the MNIST family, gzip-compressed or plain: the bytes
/// 0 0 8 rank, `rank` big-endian 32-bit sizes, then the data in row-major order.
/// Returns uint8 of exactly `rank` dimensions. The file is streamed, and no more memory is asked for than a
/// file of its length can decompress to, however large the sizes it declares. Throws io::FileError: missing
/// or torn file, another magic number, an empty or huge size, trailing bytes.
at::Tensor read_idx(const std::filesystem::path& path, int64_t rank);

}  // namespace onestep
