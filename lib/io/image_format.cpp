// SPDX-License-Identifier: Apache-2.0
#include "io/image_format.h"

#include <cstdint>

#include <zlib.h>

#include "io/exif.h"
#include "io/file_kind.h"

namespace onestep::io {
namespace {

constexpr std::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);
constexpr std::string_view kJpegSignature("\xff\xd8\xff", 3);
constexpr uint64_t kMaxPixels = uint64_t{1} << 24;
constexpr size_t kMaxBytes = size_t{1} << 30;

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

std::string size_problem(uint64_t width, uint64_t height) {
  if (width > 0 && height > 0 && width <= kMaxPixels && height <= kMaxPixels / width) return "";
  return "has " + std::to_string(width) + " × " + std::to_string(height) + " pixels; 1 to 2^24 are expected";
}

/// What is wrong with a sound file that onestep-data can put right.
std::string convertible(const std::string& problem) {
  return problem + kConvertFirst;
}

std::string exif_problem(std::string_view tiff) {
  const int orientation = exif_orientation(tiff);
  if (orientation == 1) return "";
  return convertible("is stored turned or mirrored (EXIF orientation " + std::to_string(orientation) + ")");
}

// IHDR: width, height (4 bytes each), bit depth, colour type, compression, filter, interlace.
std::string png_header_problem(std::string_view data) {
  if (data.size() != 13) return "is a damaged PNG (its header chunk)";
  if (auto problem = size_problem(big_endian(data.substr(0, 4)), big_endian(data.substr(4, 4)));
      !problem.empty())
    return problem;
  const int depth = static_cast<uint8_t>(data[8]), colour = static_cast<uint8_t>(data[9]);
  constexpr int kGrey = 0, kRgb = 2, kPalette = 3;
  if (colour == kPalette) return convertible("is a palette PNG; grey or RGB is expected");
  if (colour != kGrey && colour != kRgb) return convertible("is a PNG with alpha; grey or RGB is expected");
  if (depth != 8)
    return convertible("is a PNG of " + std::to_string(depth) + " bits per channel; 8 are expected");
  return "";
}

// A PNG is a signature and chunks: length, type, data, CRC-32 of type and data; IHDR first, IEND last.
std::string png_problem(std::string_view bytes) {
  constexpr const char* truncated = "is a truncated PNG";
  bytes.remove_prefix(kPngSignature.size());
  for (bool first = true;; first = false) {
    if (bytes.size() < 12) return truncated;
    const uint32_t length = big_endian(bytes.substr(0, 4));
    if (length > bytes.size() - 12) return truncated;
    const std::string_view type = bytes.substr(4, 4), data = bytes.substr(8, length);
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(type.data()), 4 + size_t{length});
    if (crc != big_endian(bytes.substr(8 + length, 4))) return "is a damaged PNG (CRC error)";
    if (first != (type == "IHDR")) return "is a damaged PNG (its chunks)";
    if (first)
      if (auto problem = png_header_problem(data); !problem.empty()) return problem;
    if (type == "tRNS") return convertible("is a PNG with a transparent colour; grey or RGB is expected");
    if (type == "eXIf")
      if (auto problem = exif_problem(data); !problem.empty()) return problem;
    if (type == "IEND") return "";
    bytes.remove_prefix(12 + size_t{length});
  }
}

// A JPEG is segments FF xx length data; SOFn (C0–CF but C4, C8, CC) tells the size; after SOS comes
// entropy-coded data.
std::string jpeg_problem(std::string_view bytes) {
  constexpr const char* truncated = "is a truncated JPEG";
  bytes.remove_prefix(2);
  for (bool sized = false;;) {
    while (bytes.size() > 1 && bytes[0] == '\xff' && bytes[1] == '\xff')
      bytes.remove_prefix(1);  // fill bytes
    if (bytes.size() < 4) return truncated;
    if (bytes[0] != '\xff') return "is a damaged JPEG";
    const int marker = static_cast<uint8_t>(bytes[1]);
    const uint32_t length = big_endian(bytes.substr(2, 2));
    if (length < 2 || bytes.size() < 2 + size_t{length}) return truncated;
    const std::string_view data = bytes.substr(4, length - 2);
    bytes.remove_prefix(2 + size_t{length});
    if (marker == 0xda) {
      if (!sized) return "is a damaged JPEG";
      return bytes.find("\xff\xd9") == std::string_view::npos ? truncated : "";
    }
    constexpr std::string_view kExif("Exif\0\0", 6);
    if (marker == 0xe1 && data.starts_with(kExif))
      if (auto problem = exif_problem(data.substr(kExif.size())); !problem.empty()) return problem;
    if (marker < 0xc0 || marker > 0xcf || marker == 0xc4 || marker == 0xc8 || marker == 0xcc) continue;
    if (data.size() < 6) return "is a damaged JPEG";
    if (auto problem = size_problem(big_endian(data.substr(3, 2)), big_endian(data.substr(1, 2)));
        !problem.empty())
      return problem;
    const int depth = static_cast<uint8_t>(data[0]), channels = static_cast<uint8_t>(data[5]);
    if (depth != 8) return "is a JPEG of " + std::to_string(depth) + " bits per channel; 8 are expected";
    if (channels == 4) return convertible("is a CMYK JPEG; grey or RGB is expected");
    if (channels != 1 && channels != 3) return "is a JPEG of " + std::to_string(channels) + " channels";
    sized = true;
  }
}

}  // namespace

std::string image_problem(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  if (bytes.size() > kMaxBytes) return "is larger than 1 GiB";
  if (bytes.substr(0, 8) == kPngSignature) return png_problem(bytes);
  if (bytes.substr(0, 3) == kJpegSignature) return jpeg_problem(bytes);
  const std::string other = instead_of_images(bytes);
  return "is not a PNG or JPEG file" + (other == kConvertFirst ? "" : other);
}

}  // namespace onestep::io
