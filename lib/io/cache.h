// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "io/safetensors.h"

namespace onestep::io {

/// Where costly tensors are kept between runs of a command. The default keeps nothing. The folder may hold
/// other things: files that are not of the cache's own making are neither counted nor removed.
struct Cache {
  std::filesystem::path folder;
  uint64_t max_bytes = uint64_t{8} << 30;  ///< beyond it the files that were used least lately go
};

using NamedArrays = std::map<std::string, at::Tensor>;

/// Whether there is an array of that name, dtype and shape, with all its numbers finite.
bool has_array(const NamedArrays& arrays, const std::string& name, at::ScalarType dtype,
               at::IntArrayRef shape);

/// What `compute` returns, kept in a file whose name is the SHA-256 of `description`: it must hold everything
/// that the result depends on, contents by their hash and never by a file's name. A file that is damaged,
/// belongs to another description or whose arrays are not what `fits` expects of a result (names, dtypes,
/// shapes, values in range: the file's checksum says nothing of them) is computed anew and replaced, and
/// `complain` is told so. `hit` tells whether it came from the cache: its arrays are then mapped, and the
/// file is read whole first only where the checksum is to be verified. A cache that cannot be written to
/// costs time only: `compute`'s result is returned and `complain` told once why.
struct Cached {
  NamedArrays arrays;
  bool hit = false;
};
Cached cached(const Cache& cache, const std::string& description,
              const std::function<bool(const NamedArrays&)>& fits,
              const std::function<NamedArrays()>& compute,
              const std::function<void(const std::string&)>& complain = {},
              Checksum checksum = Checksum::verified);

/// Removes the file of that description, where there is one.
void forget(const Cache& cache, const std::string& description);

}  // namespace onestep::io
