// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "io/file_error.h"

namespace onestep::io {

/// Tensors by name, in the order of the file's header, and the file's string metadata.
struct TensorFile {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::map<std::string, std::string> metadata;
  std::filesystem::path path;  ///< where it was read, for messages

  bool has(const std::string& name) const;
  /// Throws FileError naming the file and the tensor when there is none of that name.
  const at::Tensor& at(const std::string& name) const;
};

/// Reads a safetensors file (u64 little-endian header length, JSON header, raw little-endian data).
///
/// Tensors are contiguous CPU tensors of dtype F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL. Where the data is
/// aligned they are views of a private mapping, alive as long as any of them, read from disk when first
/// touched; writing to them changes memory only.
///
/// The file is taken to be hostile: FileError unless the header is at most 100 MiB of JSON with the known
/// keys once each, every size is the product of its shape and lies inside the file, and the tensors cover the
/// data section without holes, overlaps or trailing bytes. Where the metadata holds `onestep.crc32`, the
/// data must have that CRC-32, and where it holds `onestep.format` or `onestep.crc32.header`, the length and
/// the header (that value as zeros) must have the latter. Our writer always adds the three, so that no single
/// bit of its files can change unnoticed; they are not handed on.
enum class Checksum {
  verified,       ///< every byte of the data is read, and compared with the checksum
  left_to_caller  ///< nothing is read but what the caller touches, who knows another way to tell damage
};
TensorFile read_safetensors(const std::filesystem::path& path, Checksum checksum = Checksum::verified);

/// The metadata alone, with the header's checks: no data is touched, and its checksum not verified.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// The names of the tensors alone, likewise.
std::set<std::string> safetensors_names(const std::filesystem::path& path);

/// Writes tensors of any device and stride, in the given order; the bytes depend on the arguments alone. The
/// file appears whole or not at all (AtomicFile). Throws FileError when it cannot be written, c10::Error for
/// an undefined tensor, a dtype outside the list above, or a name given twice.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace onestep::io
