// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <variant>

#include "networks/gaussian_mixture.h"
#include "networks/mlp.h"
#include "networks/network.h"
#include "networks/song_unet.h"

namespace onestep {

using NetworkConfig = std::variant<SongUNetConfig, MlpConfig, GaussianMixtureConfig>;
using Network = std::variant<SongUNet, Mlp, GaussianMixture>;

/// What is hidden from a network while it is trained: units by dropout, and labels. 0 where it has neither.
double dropout_rate(const NetworkConfig& config);
double label_dropout_rate(const NetworkConfig& config);

/// How a raw network becomes a denoiser: EDM's preconditioning, and the layout that the network sees.
struct PreconditioningConfig {
  double sigma_data = 0.5;
  bool space_to_depth = false;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma_data", c.sigma_data, "standard deviation of the data", config::scale);
    visit("space_to_depth", c.space_to_depth,
          "the network sees 2x2 patches as channels, at half the resolution");
  }
};

struct DenoiserConfig {
  PreconditioningConfig preconditioning;
  NetworkConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("preconditioning", c.preconditioning, "from the raw network to the denoiser");
    visit("network", c.network, "the raw network");
  }
  std::string problem() const;
};

/// D(x; σ) ≈ E[y | x = y + σ ε], a value: copy it to share the weights, `clone` it for weights of its own.
struct Denoiser {
  DenoiserConfig config;
  Network network;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    if (auto* mixture = std::get_if<GaussianMixture>(&m.network)) {
      GaussianMixture::parameters(*mixture, visit);  // its files name the tensors plainly
    } else {
      visit("model", m.network);
    }
  }
};

ImageShape image_shape(const Denoiser& denoiser);
int64_t label_dim(const Denoiser& denoiser);    ///< 0 = unconditional
int64_t augment_dim(const Denoiser& denoiser);  ///< 0 = it is not told of augmentations

/// Sets SongUNetConfig::recompute of the network, which must have it where that is not "none" (c10::Error).
void set_recompute(Denoiser& denoiser, const std::string& recompute);

/// What a denoiser may be given beside image and noise level, all optional.
struct DenoiserInputs {
  at::Tensor labels;          ///< [N, label_dim], one-hot; undefined = no class
  at::Tensor augment_labels;  ///< [N, augment_dim]
  DropoutStream* masks = nullptr;
};

/// D(x; σ) = c_skip x + c_out F(c_in x; c_noise, labels), the coefficients in at least float32.
/// x [N, C, H, W]; sigma [N] or 0-d; the result has x's shape and dtype. Gradients flow through x and
/// weights.
at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const DenoiserInputs& inputs);
at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const at::Tensor& labels);

/// The resolutions of the encoder's features, finest first, and the channels at one of them; throws
/// c10::Error for another one. An analytic denoiser has none.
std::vector<int64_t> encoder_resolutions(const Denoiser& denoiser);
int64_t feature_channels(const Denoiser& denoiser, int64_t resolution);

/// D(x; σ) together with the encoder's features at `resolutions`, from one pass of the encoder: what a
/// discriminator head on this network looks at. Where `decoded` is false, the decoder does not run.
struct DenoiserOutput {
  at::Tensor denoised;
  std::vector<at::Tensor> features;
};
DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels, const std::vector<int64_t>& resolutions,
                       bool decoded = true);

/// A new network with weights drawn from `seed`, float32, on the CPU. On at::kMeta it has shapes alone:
/// nothing is drawn or allocated, and parameter_count() is all that it costs. Throws c10::Error for a
/// configuration with a problem, and for a gaussian_mixture, which is made of its tensors.
Denoiser make_denoiser(const DenoiserConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// The exact denoiser of a Gaussian mixture: see make_gaussian_mixture.
Denoiser exact_denoiser(const at::Tensor& weights, const at::Tensor& means, const at::Tensor& stds);

/// A model file carries its network's configuration in its metadata (keys `onestep.network` and
/// `onestep.preconditioning`, JSON), so that it alone rebuilds the denoiser. Its tensors are compared
/// with what that says before any memory is taken for them. Throws io::FileError, naming the file.
Denoiser load_denoiser(const std::filesystem::path& path, at::Device device,
                       at::ScalarType dtype = at::kFloat);
/// The same of what a file holds, and what it would hold (sharing storage with the denoiser).
Denoiser denoiser_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype = at::kFloat);
io::TensorFile model_file(const Denoiser& denoiser, std::map<std::string, std::string> metadata = {});
void save_denoiser(const std::filesystem::path& path, const Denoiser& denoiser,
                   std::map<std::string, std::string> metadata = {});

}  // namespace onestep
