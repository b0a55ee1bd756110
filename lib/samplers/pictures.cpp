// SPDX-License-Identifier: Apache-2.0
#include "samplers/pictures.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>

#include "data/dataset.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "networks/fewest_rows.h"
#include "networks/model_codec.h"

namespace onestep {
namespace {

at::Device device_of(const Codec& codec) {
  return named_tensors(codec).front().second.device();
}

/// What `change` makes of t, `rows` at a time, on the CPU and float at least. Throws NumericalError where
/// that is not finite.
at::Tensor in_passes(const at::Tensor& t, int64_t rows, const Workers& workers,
                     const std::function<at::Tensor(const at::Tensor&)>& change) {
  const int64_t all = t.size(0);
  const at::ScalarType type = t.is_floating_point() ? t.scalar_type() : at::kFloat;
  std::vector<at::Tensor> passes((all + rows - 1) / rows);
  workers.for_each(static_cast<int64_t>(passes.size()), [&](int64_t pass, int64_t) {
    const c10::NoGradGuard no_grad;
    const int64_t first = pass * rows, count = std::min(rows, all - first);
    // Always so many: the last bits of an image may depend on how many are in its pass.
    passes[pass] =
        change(padded(t.detach().narrow(0, first, count), rows)).narrow(0, 0, count).to(at::kCPU, type);
  });
  const at::Tensor pictures = at::cat(passes);
  if (!std::isfinite(pictures.sum(at::kDouble).item<double>()))
    throw NumericalError("the autoencoder gives NaN or infinity for pictures");
  return pictures;
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
  return in_passes(
      samples, autoencoder_pass(shape.height, shape.width), workers,
      [&](const at::Tensor& rows) { return decode(codec, rows.to(device_of(codec), at::kFloat)); });
}

void require_reconstructible(const Codec& codec, const ImageShape& pictures,
                             const std::filesystem::path& autoencoder) {
  ImageShape given{};
  try {
    given = picture_shape(codec, latent_shape(codec, pictures));
  } catch (const c10::Error& error) {
    throw io::FileError(autoencoder, error.what_without_backtrace());
  }
  if (!(given == pictures))
    throw io::FileError(autoencoder,
                        c10::str("makes ", given.channels, "x", given.height, "x", given.width, " of ",
                                 pictures.channels, "x", pictures.height, "x", pictures.width, " images"));
}

at::Tensor reconstructions_of(const Codec& codec, const at::Tensor& pictures, const Workers& workers) {
  if (is_pixels(codec) || pictures.size(0) == 0) return to_float(pictures);
  return in_passes(pictures, autoencoder_pass(pictures.size(2), pictures.size(3)), workers,
                   [&](const at::Tensor& rows) {
                     return decode(codec, encode(codec, to_float(rows).to(device_of(codec))));
                   });
}

Encoder encoder_of(const Codec& codec) {
  return {.sha256 = content_sha256(codec),
          .moments = [codec, device = device_of(codec)](const at::Tensor& images) {
            const c10::NoGradGuard no_grad;
            const LatentMoments moments = encode_moments(codec, images.to(device));
            const auto here = [](const at::Tensor& t) { return t.defined() ? t.to(at::kCPU) : t; };
            return LatentMoments{here(moments.mean), here(moments.std)};
          }};
}

}  // namespace onestep
