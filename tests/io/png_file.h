// SPDX-License-Identifier: Apache-2.0
// A PNG writer and chunk reader of the tests' own, from the specification.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <zlib.h>

struct PngChunk {
  std::string type, data;
};

inline std::string png_u32(uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return png_u32(static_cast<uint32_t>(data.size())) + body + png_u32(static_cast<uint32_t>(crc));
}

/// `pixels` row by row, as stored; `extra` chunks stand before the image data.
inline std::string png_file(uint32_t width, uint32_t height, int depth, int colour, const std::string& pixels,
                            const std::string& extra = "") {
  std::string rows;
  for (uint32_t y = 0; y < height; ++y)
    rows += '\0' + pixels.substr(y * pixels.size() / height, pixels.size() / height);
  std::string packed(compressBound(rows.size()), '\0');
  uLongf length = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &length, reinterpret_cast<const Bytef*>(rows.data()),
           rows.size());
  packed.resize(length);
  const std::string header = png_u32(width) + png_u32(height) + static_cast<char>(depth) +
                             static_cast<char>(colour) + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

/// All chunks; throws when one is torn or its CRC wrong.
inline std::vector<PngChunk> png_chunks(const std::string& png) {
  std::vector<PngChunk> chunks;
  for (size_t at = 8; at < png.size();) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(png.at(at + i));
    chunks.push_back({png.substr(at + 4, 4), png.substr(at + 8, length)});
    const std::string whole = png_chunk(chunks.back().type, chunks.back().data);
    if (png.substr(at, whole.size()) != whole) throw std::runtime_error("torn chunk " + chunks.back().type);
    at += whole.size();
  }
  return chunks;
}
