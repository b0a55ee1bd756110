// SPDX-License-Identifier: Apache-2.0
#include "samplers/pictures.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "networks/model_codec.h"

namespace onestep {
namespace {

bool is_pixels(const Codec& codec) {
  return std::holds_alternative<Pixels>(codec.form);
}

at::Device device_of(const Codec& codec) {
  return named_tensors(codec).front().second.device();
}

/// Repeats the last row up to `rows`: what an image becomes may depend on how many are in its pass.
at::Tensor padded(const at::Tensor& t, int64_t rows) {
  if (t.size(0) == rows) return t;
  std::vector<int64_t> shape = t.sizes().vec();
  shape[0] = rows - t.size(0);
  return at::cat({t, t.slice(0, t.size(0) - 1).expand(shape)});
}

}  // namespace

ImageShape picture_shape(const Codec& codec, const ImageShape& samples) {
  return is_pixels(codec) ? samples : image_shape(codec, samples);
}

bool is_picture(const ImageShape& shape) {
  return (shape.channels == 1 || shape.channels == 3) && shape.height * shape.width > 1;
}

at::Tensor pictures_of(const Codec& codec, const at::Tensor& samples, const Workers& workers) {
  if (is_pixels(codec) || samples.size(0) == 0) return samples;
  const ImageShape shape = image_shape(codec, {samples.size(1), samples.size(2), samples.size(3)});
  const int64_t all = samples.size(0), rows = autoencoder_pass(shape.height, shape.width);
  const at::Device device = device_of(codec);
  std::vector<at::Tensor> passes((all + rows - 1) / rows);
  workers.for_each(static_cast<int64_t>(passes.size()), [&](int64_t pass, int64_t) {
    const c10::NoGradGuard no_grad;
    const int64_t first = pass * rows, count = std::min(rows, all - first);
    const at::Tensor latents = padded(samples.detach().narrow(0, first, count), rows);
    passes[pass] =
        decode(codec, latents.to(device, at::kFloat)).narrow(0, 0, count).to(at::kCPU, samples.scalar_type());
  });
  return at::cat(passes);
}

Encoder encoder_of(const Codec& codec) {
  return {.sha256 = content_sha256(codec),
          .moments = [codec, device = device_of(codec)](const at::Tensor& images) {
            const c10::NoGradGuard no_grad;
            const int64_t count = images.size(0), rows = autoencoder_pass(images.size(2), images.size(3));
            const LatentMoments moments =
                encode_moments(codec, padded(images, std::max(rows, count)).to(device));
            const auto kept = [&](const at::Tensor& t) {
              return t.defined() ? t.narrow(0, 0, count).to(at::kCPU) : t;
            };
            return Moments{kept(moments.mean), kept(moments.std)};
          }};
}

}  // namespace onestep
