// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "io/file_error.h"

namespace onestep::io {

/// The arrays of a NumPy .npz file (a zip, stored or deflated, zip64 too) by name, without ".npy", as
/// read_npy gives them. `wanted`: only those are read, and one that is missing is an error; empty = all.
/// Throws FileError, naming file and array, for all that is not such an archive: truncated, failed CRC,
/// encrypted, members that are no arrays, object or complex dtypes, a name twice, no arrays at all, or more
/// than `max_bytes` of arrays (a declared size is checked before memory is taken for it).
std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path,
                                           const std::set<std::string>& wanted = {},
                                           uint64_t max_bytes = uint64_t{16} << 30);

/// The names alone: nothing is unpacked. Throws FileError when the file is no archive.
std::set<std::string> npz_names(const std::filesystem::path& path);

/// The same file of tensors, uncompressed and without times: a function of the arrays alone, which appears
/// whole or not at all. dtypes as npy_bytes. Throws FileError.
void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, at::Tensor>>& arrays);

}  // namespace onestep::io
