// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <png.h>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>

#include "io/file_error.h"
#include "io/image_codecs.h"

namespace onestep::io {
namespace {

/// The signature and the chunks that carry pixels. The others (colour profiles, dates, text) would only give
/// libpng something to warn of.
std::string pixels_alone(std::string_view bytes) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, type and CRC around a chunk's data
  std::string kept(bytes.substr(0, kSignature));
  for (bytes.remove_prefix(kSignature); !bytes.empty();) {
    size_t length = 0;
    for (const char byte : bytes.substr(0, 4)) length = length << 8 | static_cast<uint8_t>(byte);
    const std::string_view type = bytes.substr(4, 4);
    if (type == "IHDR" || type == "IDAT" || type == "IEND") kept.append(bytes.substr(0, length + kAround));
    if (type == "IEND") break;
    bytes.remove_prefix(length + kAround);
  }
  return kept;
}

struct Source {
  const char* next;
  size_t left;
};

void read_bytes(png_structp png, png_bytep to, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->left) png_error(png, "ends too early");
  std::memcpy(to, source->next, size);
  source->next += size;
  source->left -= size;
}

/// libpng is C: it may be left by longjmp, not by an exception. Warnings are errors, and nothing is printed.
void leave(png_structp png, png_const_charp message) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(png)), 200, "%s", message);
  png_longjmp(png, 1);
}

/// Height, width and channels; false when something is wrong.
bool read_header(png_structp png, png_infop info, int64_t (&shape)[3]) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  shape[0] = png_get_image_height(png, info);
  shape[1] = png_get_image_width(png, info);
  shape[2] = png_get_channels(png, info);
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_interlace_handling(png);
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

at::Tensor decode_png(std::string_view bytes, const std::filesystem::path& origin) {
  const std::string stripped = pixels_alone(bytes);
  Source source{stripped.data(), stripped.size()};
  char complaint[200] = "out of memory";
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, complaint, leave, leave);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  int64_t shape[3]{};
  at::Tensor pixels;
  bool whole = false;
  if (info) {
    png_set_read_fn(png, &source, read_bytes);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);  // image_problem has looked at the size
    whole = read_header(png, info, shape);
  }
  if (whole) {
    pixels = at::empty(shape, at::kByte);
    std::vector<png_bytep> rows;
    for (int64_t y = 0; y < shape[0]; ++y)
      rows.push_back(pixels.mutable_data_ptr<uint8_t>() + y * pixels.stride(0));
    whole = read_rows(png, rows.data());
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!whole) throw FileError(origin, "is a damaged PNG (" + std::string(complaint) + ")");
  return pixels.permute({2, 0, 1}).contiguous();
}

}  // namespace onestep::io
