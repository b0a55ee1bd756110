// SPDX-License-Identifier: Apache-2.0
#include "networks/codec.h"

#include <ATen/ops/exp.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "networks/fewest_rows.h"
#include "networks/foreign_autoencoder.h"
#include "networks/model_metadata.h"

namespace onestep {
namespace {

/// Reading the variant through a struct gives it the `kind` syntax of every other config.
struct CodecMetadata {
  AutoencoderConfig codec;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("codec", c.codec, "the autoencoder");
  }
};

template <class Config>
std::string shown(int64_t channels, const Config& config) {
  return c10::str(channels, " x H/", int64_t{1} << halvings(config), " x W/", int64_t{1} << halvings(config));
}

template <class Config>
ImageShape latent_shape_of(const Config& config, const ImageShape& images) {
  const int64_t factor = int64_t{1} << halvings(config);
  TORCH_CHECK(images.channels == config.in_channels && images.height % factor == 0 &&
                  images.width % factor == 0 && images.height > 0 && images.width > 0,
              "an autoencoder of images ", config.in_channels, " x H x W, H and W multiples of ", factor,
              ", and latents ", shown(config.latent_channels, config), " was given images ", images.channels,
              " x ", images.height, " x ", images.width);
  return {config.latent_channels, images.height / factor, images.width / factor};
}

template <class Config>
ImageShape image_shape_of(const Config& config, const ImageShape& latents) {
  TORCH_CHECK(latents.channels == config.latent_channels && latents.height > 0 && latents.width > 0,
              "an autoencoder of images ", config.out_channels, " x H x W and latents ",
              shown(config.latent_channels, config), " was given latents ", latents.channels, " x ",
              latents.height, " x ", latents.width);
  return {config.out_channels, latents.height << halvings(config), latents.width << halvings(config)};
}

ImageShape shape_of(const at::Tensor& images, const char* what) {
  TORCH_CHECK(images.dim() == 4 && images.is_floating_point(), what,
              " must be [N, C, H, W] in floating point, got ", images.scalar_type(), images.sizes());
  return {images.size(1), images.size(2), images.size(3)};
}

LatentMoments unscaled_moments(const Pixels&, const at::Tensor& images) {
  return {.mean = images, .std = {}};
}
LatentMoments unscaled_moments(const AutoencoderKl& m, const at::Tensor& images) {
  const auto [mean, logvar] = moments(m, images);
  return {.mean = mean, .std = at::exp(logvar / 2)};
}
LatentMoments unscaled_moments(const AutoencoderTiny& m, const at::Tensor& images) {
  return {.mean = encode(m, images), .std = {}};
}

at::Tensor decode(const Pixels&, const at::Tensor& z) {
  return z;
}

/// The autoencoder, as f sees it; what pixels are given otherwise.
template <class Result, class F>
Result of_autoencoder(const Codec& codec, const Result& pixels, const F& f) {
  return std::visit(
      [&](const auto& form) -> Result {
        if constexpr (std::is_same_v<std::decay_t<decltype(form)>, Pixels>)
          return pixels;
        else
          return f(form);
      },
      codec.form);
}

/// How many images a small autoencoder gets at least: a large one would be sixteen times as long at a single
/// image, and its bits may differ between batches. Where gradients are taken, batches are the caller's.
int64_t fewest_rows(const at::Tensor& x, const PassCost& cost) {
  constexpr int64_t kSmallPass = 200'000'000;
  return x.is_cpu() && !c10::GradMode::is_enabled() && cost.macs <= kSmallPass ? kFewestRows : 1;
}

AutoencoderConfig config_of(const Codec& codec) {
  TORCH_CHECK(!is_pixels(codec), "pixels are no autoencoder, and have no file");
  return of_autoencoder(codec, AutoencoderConfig(),
                        [](const auto& m) -> AutoencoderConfig { return m.config; });
}

}  // namespace

std::string problem_of(const AutoencoderConfig& config) {
  return std::visit([](const auto& c) { return c.problem(); }, config);
}

Codec make_codec(const AutoencoderConfig& config, uint64_t seed, at::Device device) {
  return std::visit([&](const auto& c) -> Codec { return {.form = make_network(c, seed, device)}; }, config);
}

ImageShape latent_shape(const AutoencoderConfig& config, const ImageShape& images) {
  return std::visit([&](const auto& c) { return latent_shape_of(c, images); }, config);
}

ImageShape latent_shape(const Codec& codec, const ImageShape& images) {
  return of_autoencoder(codec, images, [&](const auto& m) { return latent_shape_of(m.config, images); });
}

ImageShape image_shape(const Codec& codec, const ImageShape& latents) {
  return of_autoencoder(codec, latents, [&](const auto& m) { return image_shape_of(m.config, latents); });
}

LatentScaling latent_scaling(const Codec& codec) {
  return of_autoencoder(codec, LatentScaling(), [](const auto& m) { return m.config.scaling; });
}

Codec with_latent_scaling(Codec codec, const LatentScaling& scaling) {
  std::visit(
      [&](auto& form) {
        if constexpr (requires { form.config.scaling; })
          form.config.scaling = scaling;
        else
          TORCH_CHECK(scaling == LatentScaling(), "pixels have no scaling");
      },
      codec.form);
  return codec;
}

LatentMoments encode_moments(const Codec& codec, const at::Tensor& images) {
  const PassCost cost = encode_cost(codec, shape_of(images, "images"));
  const at::Tensor rows = padded(images, fewest_rows(images, cost));
  const LatentMoments z =
      std::visit([&](const auto& form) { return unscaled_moments(form, rows); }, codec.form);
  const LatentScaling scaling = latent_scaling(codec);
  const auto own = [&](const at::Tensor& t) { return t.narrow(0, 0, images.size(0)); };
  return {.mean = scaled(scaling, own(z.mean)),
          .std = z.std.defined() ? own(z.std) * scaling.scaling_factor : at::Tensor()};
}

at::Tensor sample(const LatentMoments& moments, const at::Tensor& noise) {
  if (!noise.defined()) return moments.mean;
  TORCH_CHECK(noise.sizes() == moments.mean.sizes(), "noise ", noise.sizes(), " for latents ",
              moments.mean.sizes());
  return moments.std.defined() ? moments.mean + moments.std * noise : moments.mean;
}

at::Tensor encode(const Codec& codec, const at::Tensor& images, const at::Tensor& noise) {
  return sample(encode_moments(codec, images), noise);
}

at::Tensor decode(const Codec& codec, const at::Tensor& latents) {
  const PassCost cost = decode_cost(codec, image_shape(codec, shape_of(latents, "latents")));
  const at::Tensor z = padded(unscaled(latent_scaling(codec), latents), fewest_rows(latents, cost));
  return std::visit([&](const auto& form) { return decode(form, z); }, codec.form)
      .narrow(0, 0, latents.size(0));
}

PassCost encode_cost(const Codec& codec, const ImageShape& images) {
  latent_shape(codec, images);  // which checks them
  const int64_t pixels = images.height * images.width;
  return of_autoencoder(codec, PassCost(), [&](const auto& m) { return encode_cost(m, pixels); });
}

PassCost decode_cost(const Codec& codec, const ImageShape& images) {
  return of_autoencoder(codec, PassCost(), [&](const auto& m) {
    latent_shape_of(m.config, {m.config.in_channels, images.height, images.width});
    return decode_cost(m, images.height * images.width);
  });
}

Codec load_codec(const std::filesystem::path& path, at::Device device, at::ScalarType dtype) {
  if (is_diffusers_folder(path)) return read_diffusers_autoencoder(path, device, dtype);
  std::error_code none;
  const bool folder = std::filesystem::is_directory(path, none);
  if (folder || !io::read_safetensors_metadata(path).contains(kCodecKey))
    if (const auto files = taesd_files(path)) return read_taesd(*files, device, dtype);
  if (folder)
    throw io::FileError(path, "not an autoencoder: it has neither config.json nor TAESD's two files");
  return codec_of(io::read_safetensors(path), device, dtype);
}

io::TensorFile model_file(const Codec& codec, std::map<std::string, std::string> metadata) {
  metadata[kCodecKey] = config::to_json(CodecMetadata{config_of(codec)}).at("codec").dump();
  return {.tensors = named_tensors(codec), .metadata = std::move(metadata), .path = {}};
}

Codec codec_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype) {
  if (!file.metadata.contains(kCodecKey))
    throw io::FileError(file.path, std::string("not an autoencoder: its metadata lacks '") + kCodecKey + "'");
  const AutoencoderConfig config =
      read_metadata<CodecMetadata>(file.path, kCodecKey, "{\"codec\": " + file.metadata.at(kCodecKey) + "}")
          .codec;
  const Codec shapes = make_codec(config, 0, at::kMeta);
  refuse_others(file, tensor_names(shapes));
  return with_tensors_of(file, shapes, device, dtype);
}

void save_codec(const std::filesystem::path& path, const Codec& codec,
                std::map<std::string, std::string> metadata) {
  const io::TensorFile file = model_file(codec, std::move(metadata));
  io::write_safetensors(path, file.tensors, file.metadata);
}

}  // namespace onestep
