// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>

namespace onestep::io {

/// Where one tensor lies: bytes [begin, end) of the data section.
struct TensorEntry {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

struct TensorHeader {
  std::vector<TensorEntry> entries;  ///< in the header's order
  std::map<std::string, std::string> metadata;
};

inline constexpr uint64_t kMaxHeaderBytes = uint64_t{100} << 20;

/// The format's name of a dtype ("F32"), or nothing where the format or we do not know it.
std::optional<std::string_view> dtype_name(at::ScalarType dtype);

/// Parses and checks the JSON header against a data section of `data_bytes` bytes (rules: read_safetensors).
/// `path` is for messages. Throws FileError.
TensorHeader parse_header(const std::filesystem::path& path, std::string_view json, uint64_t data_bytes);

/// The JSON text that parse_header reads, padded with spaces to a multiple of 8 bytes. Throws
/// nlohmann::json::exception when a name or metadata is not UTF-8.
std::string format_header(const TensorHeader& header);

}  // namespace onestep::io
