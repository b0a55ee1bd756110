// SPDX-License-Identifier: Apache-2.0
#include "io/image.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "io/atomic_file.h"
#include "io/file.h"

namespace onestep::io {

void write_png(const std::filesystem::path& path, const at::Tensor& image,
               const std::map<std::string, std::string>& text) {
  write_file_atomically(path, encode_png(image, text));
}

at::Tensor read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path), path);
}

at::Tensor image_grid(const at::Tensor& images, int64_t rows, int64_t columns, int64_t gap, int64_t zoom) {
  TORCH_CHECK(images.dim() == 4 && images.scalar_type() == at::kByte,
              "image_grid: images must be uint8 [N,C,H,W], got ", images.scalar_type(), " ", images.sizes());
  TORCH_CHECK(rows > 0 && columns > 0 && gap >= 0 && zoom > 0,
              "image_grid: needs rows, columns and zoom above 0 and a gap of at least 0, got ", rows, ", ",
              columns, ", ", zoom, ", ", gap);
  TORCH_CHECK(images.size(0) <= rows * columns, "image_grid: ", images.size(0), " images do not fit ", rows,
              " × ", columns, " cells");
  const at::Tensor zoomed = images.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3);
  const int64_t height = zoomed.size(2), width = zoomed.size(3);
  constexpr int kWhite = 255;
  at::Tensor grid = at::full({images.size(1), rows * (height + gap) - gap, columns * (width + gap) - gap},
                             kWhite, images.options());
  for (int64_t i = 0; i < images.size(0); ++i) {
    const int64_t top = i / columns * (height + gap), left = i % columns * (width + gap);
    grid.narrow(1, top, height).narrow(2, left, width).copy_(zoomed[i]);
  }
  return grid;
}

at::Tensor to_uint8(const at::Tensor& x) {
  TORCH_CHECK(x.is_floating_point(), "to_uint8: needs floating point values, got ", x.scalar_type());
  TORCH_CHECK(!x.isnan().any().item<bool>(), "to_uint8: the images hold NaN");
  const auto dtype = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return (x.detach().to(dtype) * 127.5 + 128)
      .clamp(0, 255)
      .to(at::kByte);  // the cast truncates: floor for ≥ 0
}

}  // namespace onestep::io
