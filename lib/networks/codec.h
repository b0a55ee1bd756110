// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <variant>

#include "data/latent_moments.h"
#include "networks/autoencoder_kl.h"
#include "networks/autoencoder_tiny.h"
#include "networks/network.h"

namespace onestep {

/// No autoencoder: an image is its own latent.
struct Pixels {
  template <class Self, class Visit>
  static void parameters(Self&, Visit&&) {}
};

/// Between images in [−1, 1] and the latents that a diffusion model works in, which are scaled to about unit
/// variance (latent_scaling.h). A value: copy it to share the weights, `clone` it for weights of its own.
struct Codec {
  std::variant<Pixels, AutoencoderKl, AutoencoderTiny> form;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    std::visit([&](auto& form) { std::decay_t<decltype(form)>::parameters(form, visit); }, m.form);
  }
};

inline bool is_pixels(const Codec& codec) {
  return std::holds_alternative<Pixels>(codec.form);
}

/// The metadata key of an autoencoder's file that holds its configuration.
inline constexpr const char* kCodecKey = "onestep.codec";

/// The autoencoder to be made: what `kind` chooses in a configuration.
using AutoencoderConfig = std::variant<AutoencoderKlConfig, AutoencoderTinyConfig>;
std::string problem_of(const AutoencoderConfig& config);

/// Weights drawn from `seed`, float32, on the CPU; shapes alone on at::kMeta. Throws c10::Error for a
/// configuration with a problem.
Codec make_codec(const AutoencoderConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// The latents of images of some shape, and the images of latents of some shape, as the encoder and the
/// decoder take and give them. Throw c10::Error, naming both sides, for other channels and for sizes that
/// don't halve evenly.
ImageShape latent_shape(const AutoencoderConfig& config, const ImageShape& images);
ImageShape latent_shape(const Codec& codec, const ImageShape& images);
ImageShape image_shape(const Codec& codec, const ImageShape& latents);

/// The scaling of its latents; pixels have none. It is part of the autoencoder's configuration and its file.
LatentScaling latent_scaling(const Codec& codec);
Codec with_latent_scaling(Codec codec, const LatentScaling& scaling);  ///< shares the weights

/// The latents' moments, scaled, of images [N, C, H, W], float in [−1, 1]; the results have their dtype,
/// whatever the weights' is. Gradients flow through images and weights. Throws c10::Error as latent_shape
/// does.
LatentMoments encode_moments(const Codec& codec, const at::Tensor& images);

/// mean + std · noise = (sample − shift)·scale; noise: standard normal numbers of the latents' shape,
/// undefined for the mean.
at::Tensor sample(const LatentMoments& moments, const at::Tensor& noise);
at::Tensor encode(const Codec& codec, const at::Tensor& images, const at::Tensor& noise = {});

/// Images of latents [N, Z, h, w], about in [−1, 1]: nothing is clamped. They have the latents' dtype.
/// Gradients flow through latents and weights. Throws c10::Error as image_shape does.
at::Tensor decode(const Codec& codec, const at::Tensor& latents);

/// Of one image of that size.
PassCost encode_cost(const Codec& codec, const ImageShape& images);
PassCost decode_cost(const Codec& codec, const ImageShape& images);

/// Reads an autoencoder, whichever of these `path` is:
///   a model file of ours, whose metadata has the configuration (key `onestep.codec`);
///   a folder as diffusers writes it: config.json of an AutoencoderKL or AutoencoderTiny, and
///     diffusion_pytorch_model.safetensors or diffusion_pytorch_model.fp16.safetensors;
///   TAESD's original pair …_encoder.safetensors and …_decoder.safetensors: either of them, or their folder.
/// A configuration is checked before memory is taken for what it asks for, and a feature that is not known is
/// refused by its name. A tensor that is missing, of another shape, not floating-point or too many is an
/// error. Throws io::FileError naming the file.
Codec load_codec(const std::filesystem::path& path, at::Device device, at::ScalarType dtype = at::kFloat);

/// What a model file holds (sharing storage with the codec, which has to be an autoencoder), and back.
io::TensorFile model_file(const Codec& codec, std::map<std::string, std::string> metadata = {});
Codec codec_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype = at::kFloat);
void save_codec(const std::filesystem::path& path, const Codec& codec,
                std::map<std::string, std::string> metadata = {});

}  // namespace onestep
