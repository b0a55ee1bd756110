// SPDX-License-Identifier: Apache-2.0
#include "evaluation/sha256.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "io/file_error.h"

namespace onestep {
namespace {

constexpr size_t kBlock = 64;

/// Bits of the fractional part of a root of a small integer, found in integers: the constants of the standard
/// are the first 32 of √p (initial state) and of ∛p (rounds), p the first primes.
constexpr uint32_t root_fraction(unsigned value, int power) {
  __extension__ using Wide = unsigned __int128;
  uint64_t root = 0;  // ⌊value^(1/power) · 2³²⌋; at most 35 bits
  for (int bit = 35; bit >= 0; --bit) {
    const uint64_t tried = root | (uint64_t{1} << bit);
    const Wide square = Wide{tried} * tried;  // at most 72 bits
    const bool fits = power == 2 ? square <= (Wide{value} << 64) : square * tried <= (Wide{value} << 96);
    if (fits) root = tried;
  }
  return static_cast<uint32_t>(root);
}

template <size_t N>
constexpr std::array<uint32_t, N> prime_roots(int power) {
  std::array<uint32_t, N> fractions{};
  size_t found = 0;
  for (unsigned candidate = 2; found < N; ++candidate) {
    bool prime = true;
    for (unsigned divisor = 2; divisor * divisor <= candidate; ++divisor) prime &= candidate % divisor != 0;
    if (prime) fractions[found++] = root_fraction(candidate, power);
  }
  return fractions;
}

constexpr auto kRounds = prime_roots<64>(3);

struct Sha256 {
  std::array<uint32_t, 8> state = prime_roots<8>(2);

  void block(const unsigned char* bytes) {
    std::array<uint32_t, 64> w;
    for (size_t i = 0; i < 16; ++i)
      w[i] = uint32_t{bytes[4 * i]} << 24 | uint32_t{bytes[4 * i + 1]} << 16 |
             uint32_t{bytes[4 * i + 2]} << 8 | bytes[4 * i + 3];
    for (size_t i = 16; i < 64; ++i) {
      const uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                          kRounds[i] + w[i];
      const uint32_t t2 =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<uint32_t, 8> added = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; ++i) state[i] += added[i];
  }

  /// The last bytes (fewer than a block), of `length` in all: pads and returns the digest.
  std::string finish(std::string_view rest, uint64_t length) {
    std::array<unsigned char, 2 * kBlock> tail{};
    std::memcpy(tail.data(), rest.data(), rest.size());
    tail[rest.size()] = 0x80;
    const size_t end = rest.size() < kBlock - 8 ? kBlock : 2 * kBlock;
    for (size_t i = 0; i < 8; ++i) tail[end - 1 - i] = static_cast<unsigned char>(length * 8 >> 8 * i);
    for (size_t at = 0; at < end; at += kBlock) block(tail.data() + at);
    std::string digest;
    for (uint32_t word : state) {
      char digits[9];
      std::snprintf(digits, sizeof digits, "%08x", word);
      digest += digits;
    }
    return digest;
  }
};

}  // namespace

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock)
    hash.block(reinterpret_cast<const unsigned char*>(bytes.data() + at));
  return hash.finish(bytes.substr(at), bytes.size());
}

std::string sha256_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw io::FileError(path, "cannot be opened");
  Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  uint64_t length = 0;
  for (;;) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const size_t got = static_cast<size_t>(file.gcount());
    if (file.bad()) throw io::FileError(path, "cannot be read");
    length += got;
    size_t at = 0;
    for (; at + kBlock <= got; at += kBlock) hash.block(reinterpret_cast<unsigned char*>(buffer.data() + at));
    // Only the last read falls short of the buffer, which is a whole number of blocks.
    if (got < buffer.size()) return hash.finish({buffer.data() + at, got - at}, length);
  }
}

}  // namespace onestep
