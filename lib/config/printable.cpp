// SPDX-License-Identifier: Apache-2.0
#include "config/printable.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "config/utf8.h"

namespace onestep::config {
namespace {

/// First and last of the characters beyond ASCII that are never shown: C1 controls, the Arabic letter mark,
/// zero-width and direction marks, line and paragraph separators, embeddings and overrides, isolates, the
/// byte order mark.
constexpr std::array<std::pair<uint32_t, uint32_t>, 6> kHidden{
    {{0x80, 0x9f}, {0x61c, 0x61c}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}}};

bool is_hidden(uint32_t character) {
  for (const auto& [first, last] : kHidden)
    if (character >= first && character <= last) return true;
  return false;
}

/// What a sequence of valid UTF-8 stands for.
uint32_t character_of(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  uint32_t value = sequence.size() == 1 ? first : first & (0xffu >> (sequence.size() + 1));
  for (const char next : sequence.substr(1)) value = value << 6 | (static_cast<unsigned char>(next) & 0x3f);
  return value;
}

std::string code(const char* format, uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    const std::string_view sequence = text.substr(i, length == 0 ? 1 : length);
    i += sequence.size();
    const uint32_t character = length == 0 ? static_cast<unsigned char>(sequence[0]) : character_of(sequence);
    const bool ascii_control = character < 0x20 || character == 0x7f;
    if (length == 0 || (ascii_control && !(keep_lines && (character == '\n' || character == '\t')))) {
      result += code("\\x%02x", character);
    } else if (is_hidden(character)) {
      result += code("\\u%04x", character);
    } else {
      result += sequence;
    }
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, /*keep_lines=*/false);
}

std::string printable_lines(std::string_view text) {
  return escaped(text, /*keep_lines=*/true);
}

}  // namespace onestep::config
