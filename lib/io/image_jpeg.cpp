// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <jpeglib.h>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "io/file_error.h"
#include "io/image_codecs.h"

namespace onestep::io {
namespace {

/// libjpeg is C: it may be left by longjmp, not by an exception, and only with plain data on the way.
struct Complaint {
  jpeg_error_mgr manager;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr decoder) {
  auto* complaint = reinterpret_cast<Complaint*>(decoder->err);
  decoder->err->format_message(decoder, complaint->message);
  std::longjmp(complaint->back, 1);
}

/// Warnings have level −1, traces 0 and above.
void leave_on_warning(j_common_ptr decoder, int level) {
  if (level < 0) leave(decoder);
}

void print_nothing(j_common_ptr) {}

/// Opens the image and tells its size, or returns false.
bool begin(jpeg_decompress_struct& decoder, Complaint& complaint, std::string_view bytes) {
  decoder.err = jpeg_std_error(&complaint.manager);
  complaint.manager.error_exit = leave;
  complaint.manager.emit_message = leave_on_warning;
  complaint.manager.output_message = print_nothing;
  if (setjmp(complaint.back)) return false;
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = decoder.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&decoder);
  return true;
}

/// Fills `rows`, one after the other; false when something is wrong.
bool read_rows(jpeg_decompress_struct& decoder, Complaint& complaint, uint8_t* rows, size_t row_bytes) {
  if (setjmp(complaint.back)) return false;
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW row = rows + row_bytes * decoder.output_scanline;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  return true;
}

/// "Corrupt JPEG data: premature end of data segment" → "premature end of data segment".
std::string reason(const char* message) {
  const std::string text = message, prefix = "Corrupt JPEG data: ";
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

at::Tensor decode_jpeg(std::string_view bytes, const std::filesystem::path& origin) {
  jpeg_decompress_struct decoder{};
  Complaint complaint{};
  at::Tensor pixels;
  bool whole = begin(decoder, complaint, bytes);
  if (whole) {
    pixels = at::empty({decoder.output_height, decoder.output_width, decoder.output_components}, at::kByte);
    whole = read_rows(decoder, complaint, pixels.mutable_data_ptr<uint8_t>(),
                      static_cast<size_t>(pixels.stride(0)));
  }
  jpeg_destroy_decompress(&decoder);
  if (!whole) throw FileError(origin, "is a damaged JPEG (" + reason(complaint.message) + ")");
  return pixels.permute({2, 0, 1}).contiguous();
}

}  // namespace onestep::io
