// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

/// A safetensors file from its parts, right or wrong.
inline std::string safetensors_text(uint64_t length, const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes + header + data;
}
inline std::string safetensors_text(const std::string& header, const std::string& data) {
  return safetensors_text(header.size(), header, data);
}
