// SPDX-License-Identifier: Apache-2.0
#include "io/png_text.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include <nlohmann/json.hpp>
#include <zlib.h>

namespace onestep::io {
namespace {

constexpr size_t kHeaderEnd = 8 + 4 + 4 + 13 + 4;  // signature; IHDR's length, type, data and CRC

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

bool is_ascii(char c) {
  return static_cast<uint8_t>(c) < 0x80;
}

std::string escape_non_ascii(const std::string& text) {
  std::string result;
  for (auto here = text.begin(); here != text.end();) {
    const auto other = std::find_if_not(here, text.end(), is_ascii);
    result.append(here, other);
    here = std::find_if(other, text.end(), is_ascii);
    // A JSON string of the run alone: quotes around \uXXXX escapes, U+FFFD for what is not UTF-8.
    const nlohmann::json run = std::string(other, here);
    const std::string escaped = run.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    result.append(escaped, 1, escaped.size() - 2);
  }
  return result;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(crc));
}

}  // namespace

bool is_sheet(std::string_view png) {
  using namespace std::string_view_literals;
  constexpr std::string_view kBegin = "tEXtonestep\0"sv;
  if (!png.starts_with("\x89PNG"sv) || png.size() < kHeaderEnd + 4) return false;
  png.remove_prefix(kHeaderEnd);  // with_png_text puts its chunks right after the header's
  size_t length = 0;
  for (const char byte : png.substr(0, 4)) length = length << 8 | static_cast<uint8_t>(byte);
  png.remove_prefix(4);
  if (!png.starts_with(kBegin) || length + 4 > png.size() || length + 4 < kBegin.size()) return false;
  const std::string_view json = png.substr(kBegin.size(), length + 4 - kBegin.size());
  const nlohmann::json text = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  return text.is_object() && !text.contains("seed");
}

std::string with_png_text(const std::string& png, const std::map<std::string, std::string>& text) {
  std::string chunks;
  for (const auto& [keyword, value] : text) {
    const bool printable =
        std::all_of(keyword.begin(), keyword.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (keyword.empty() || keyword.size() > 79 || !printable)
      throw std::invalid_argument("PNG text: '" + keyword +
                                  "' is not a keyword of 1 to 79 printable ASCII characters");
    if (value.find('\0') != std::string::npos)
      throw std::invalid_argument("PNG text: the value of '" + keyword + "' holds a NUL");
    chunks += chunk("tEXt", keyword + '\0' + escape_non_ascii(value));
  }
  return png.substr(0, kHeaderEnd) + chunks + png.substr(kHeaderEnd);
}

}  // namespace onestep::io
