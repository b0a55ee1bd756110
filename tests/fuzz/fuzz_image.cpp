// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstdint>
#include <cstring>

#include <zlib.h>

#include "fuzz/fuzz.h"
#include "io/image.h"

namespace onestep::fuzz {
namespace {

uint32_t big_endian(uint32_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

/// Gives every chunk of a PNG the checksum that it should have: else mutations end there.
void seal(uint8_t* png, size_t size) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, type, checksum
  if (size < kSignature || std::memcmp(png, "\x89PNG", 4) != 0) return;
  for (size_t place = kSignature; size - place >= kAround;) {
    uint32_t length = 0;
    std::memcpy(&length, png + place, 4);
    length = big_endian(length);
    if (length > size - place - kAround) return;
    const uint32_t sum = big_endian(static_cast<uint32_t>(crc32(0, png + place + 4, length + 4)));
    std::memcpy(png + place + 8 + length, &sum, 4);
    place += kAround + length;
  }
}

}  // namespace

void read(std::string_view bytes) {
  io::decode_image(bytes, "fuzz");
}

std::vector<std::string> seeds() {
  std::vector<std::string> all = golden("images", ".png");
  for (const std::string& jpeg : golden("images", ".jpg")) all.push_back(jpeg);
  return all;
}

}  // namespace onestep::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) onestep::fuzz::seal(data, size);
  return size;
}
