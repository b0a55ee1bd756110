// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include <ATen/core/Tensor.h>

namespace onestep::io {

/// What is wrong with an array, without the file's name: read_npz adds it.
class NpyError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Fills `size` bytes at `to` with the next ones of the array's file, or throws.
using ReadBytes = std::function<void(void* to, size_t size)>;

/// One NumPy array (.npy format, versions 1 to 3) of `size` bytes in all: a contiguous CPU tensor of the
/// shape as written. dtypes f2 f4 f8 i1 i2 i4 i8 u1 bool, either byte order, C or Fortran order. Throws
/// NpyError for all else, and when the header and `size` disagree, before memory for the data is taken.
at::Tensor read_npy(uint64_t size, const ReadBytes& read);

/// The same file of a tensor: version 1, little-endian, C order, the dtypes above; throws c10::Error for
/// others.
std::string npy_bytes(const at::Tensor& tensor);

}  // namespace onestep::io
