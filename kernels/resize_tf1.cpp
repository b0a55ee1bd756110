// SPDX-License-Identifier: Apache-2.0
#include "kernels/resize_tf1.h"

#include <limits>

#include <ATen/ops/empty.h>

#include "kernels/cuda_plugin.h"
#include "kernels/resize_tf1_core.h"

namespace onestep::kernels {
namespace {

constexpr int64_t kLargestSide = std::numeric_limits<int32_t>::max();

void check(const at::Tensor& images, int64_t height, int64_t width) {
  TORCH_CHECK(images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3),
              "resize_tf1: images must be [B, C, H, W] with 1 or 3 channels, got ", images.sizes());
  TORCH_CHECK(images.scalar_type() == at::kByte, "resize_tf1: images must be uint8, got ",
              images.scalar_type());
  TORCH_CHECK(images.is_cpu() || has_launchers(images.device()), "resize_tf1: no kernel for device ",
              images.device());
  for (const int64_t side : {images.size(2), images.size(3), height, width}) {
    TORCH_CHECK(side >= 1 && side <= kLargestSide, "resize_tf1: cannot resize ", images.sizes(), " to ",
                height, " × ", width);
  }
}

}  // namespace

at::Tensor resize_tf1(const at::Tensor& images, int64_t height, int64_t width) {
  check(images, height, width);
  const at::Tensor in = images.contiguous();
  const at::Tensor out = at::empty({in.size(0), 3, height, width}, in.options().dtype(at::kFloat));
  if (out.numel() == 0) return out;
  const ResizeTf1Arrays arrays{
      in.const_data_ptr<uint8_t>(), in.size(0), in.size(1), in.size(2), in.size(3), height, width,
      out.mutable_data_ptr<float>()};
  if (in.is_cpu()) {
    resize_tf1_cpu(arrays);
  } else {
    launch<decltype(onestep_resize_tf1_cuda)>("onestep_resize_tf1_cuda", in.device(), arrays);
  }
  return out;
}

}  // namespace onestep::kernels
