// SPDX-License-Identifier: Apache-2.0
#include "io/exif.h"

#include <cstddef>
#include <cstdint>

namespace onestep::io {
namespace {

/// An unsigned number of `size` bytes, 0 beyond the end.
uint32_t number(std::string_view bytes, size_t at, size_t size, bool big_endian) {
  if (at > bytes.size() || size > bytes.size() - at) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[at + (big_endian ? i : size - 1 - i)]);
  return value;
}

}  // namespace

int exif_orientation(std::string_view tiff) {
  constexpr size_t kEntry = 12;  // tag, type (2 bytes each), count, value (4 each; a short stands first)
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  const bool big = tiff.starts_with("MM");
  if ((!big && !tiff.starts_with("II")) || number(tiff, 2, 2, big) != 42) return 1;
  const size_t directory = number(tiff, 4, 4, big), entries = number(tiff, directory, 2, big);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntry;
    if (number(tiff, entry, 2, big) != kOrientation || number(tiff, entry + 2, 2, big) != kShort) continue;
    const uint32_t value = number(tiff, entry + 8, 2, big);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace onestep::io
