// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "io/file_error.h"

/// Images are uint8 tensors [C,H,W], C = 1 (grey) or 3 (RGB). In a build without OpenCV
/// (-DONESTEP_OPENCV=OFF) encode_png, write_png and read_image throw std::runtime_error saying so.
namespace onestep::io {

/// Whether this build can.
bool has_image_files();

/// The bytes of a PNG file: a function of the pixels and `text`, lossless. `text` becomes tEXt chunks
/// (png_text.h). Takes any device; throws c10::Error when `image` is not as above or is empty.
std::string encode_png(const at::Tensor& image, const std::map<std::string, std::string>& text = {});

/// encode_png into a file that appears whole or not at all. Throws FileError.
void write_png(const std::filesystem::path& path, const at::Tensor& image,
               const std::map<std::string, std::string>& text = {});

/// A PNG or JPEG file as [C,H,W] on the CPU, pixel values as stored (no colour management).
/// Throws FileError for anything but upright 8-bit grey or RGB: truncated or damaged files, 16 bits,
/// palettes, alpha or a transparent colour, CMYK, an EXIF orientation, more than 2^24 pixels, other formats.
at::Tensor read_image(const std::filesystem::path& path);
/// The same for a file's bytes; `origin` stands for the path in messages.
at::Tensor decode_image(std::string_view bytes, const std::filesystem::path& origin);

/// images [N,C,H,W] uint8 in reading order on rows × columns cells, N ≤ rows·columns, as one image [C,H',W']
/// with H' = rows·H·zoom + (rows−1)·gap: every pixel becomes zoom × zoom, `gap` output pixels of white lie
/// between cells, and cells without an image are white. Throws c10::Error.
at::Tensor image_grid(const at::Tensor& images, int64_t rows, int64_t columns, int64_t gap = 1,
                      int64_t zoom = 1);

/// floor(clip(127.5 x + 128, 0, 255)): floats in [−1, 1] to uint8 of the same shape and device, the EDM
/// reference's rule and the inverse of u8/127.5 − 1. Half types are computed in float32. Infinities are
/// clipped; NaN throws c10::Error, as a picture would hide it.
at::Tensor to_uint8(const at::Tensor& x);

}  // namespace onestep::io
