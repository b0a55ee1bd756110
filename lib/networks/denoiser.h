// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <variant>

#include "networks/gaussian_mixture.h"
#include "networks/network_list.h"
#include "noise/preconditioning.h"

namespace onestep {

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

/// A raw network F and what makes a denoiser of it.
struct PreconditionedNetwork {
  Preconditioning preconditioning;
  Network network;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("model", m.network);
    visit("levels", m.preconditioning.levels, kDerived);
  }
};

/// D(x; σ) ≈ E[y | x = y + σ ε]: a network, or data whose density is known. A value: copy it to share the
/// weights, `clone` it for weights of its own.
struct Denoiser {
  std::variant<PreconditionedNetwork, GaussianMixture> form;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    std::visit([&](auto& form) { std::decay_t<decltype(form)>::parameters(form, visit); }, m.form);
  }
};

/// The one or the other; null where it is not that.
const PreconditionedNetwork* network_of(const Denoiser& denoiser);
const GaussianMixture* mixture_of(const Denoiser& denoiser);

ImageShape image_shape(const Denoiser& denoiser);
int64_t label_dim(const Denoiser& denoiser);    ///< 0 = unconditional
int64_t augment_dim(const Denoiser& denoiser);  ///< 0 = it is not told of augmentations

/// The noise levels that it knows: its preconditioning's, or all.
SigmaRange valid_range(const Denoiser& denoiser);

/// The discrete schedule (noise/timesteps.h) that it was trained with; "" where there was none.
std::string trained_schedule(const Denoiser& denoiser);

/// Where a discriminator may look, from first to last; an analytic denoiser has no such place.
std::vector<FeatureTap> feature_taps(const Denoiser& denoiser);

/// set_recompute of its network; an analytic denoiser takes "none" alone (c10::Error).
void set_recompute(Denoiser& denoiser, const std::string& recompute);

PassCost pass_cost(const Denoiser& denoiser);  ///< of its network; 0 for an analytic one

/// What a denoiser may be given beside image and noise level, all optional.
struct DenoiserInputs {
  Condition condition;             ///< undefined: none
  at::Tensor augment_labels;       ///< [N, augment_dim]
  DropoutStream* masks = nullptr;  ///< null: no dropout
};

/// D(x; σ) = c_skip x + c_out F(c_in x; c_noise, condition), the coefficients in at least float32, of a
/// network that gives more channels than images have its first ones. x [N, C, H, W]; sigma [N] or 0-d; the
/// result has x's shape and dtype. Gradients flow through x and weights.
at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const DenoiserInputs& inputs);
at::Tensor denoise(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                   const Condition& condition = {});

/// Its network's null_condition; null_like of an analytic one.
Condition null_condition(const Denoiser& denoiser, const Condition& c);

/// D(x; σ) together with features of its network, from one pass; undefined D where the output is not wanted.
/// Throws c10::Error for a tap that it lacks.
struct DenoiserOutput {
  at::Tensor denoised;
  std::vector<at::Tensor> features;
};
DenoiserOutput forward(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& sigma,
                       const DenoiserInputs& inputs, const Wanted& wanted);

/// A new network with weights drawn from `seed`, float32, on the CPU. On at::kMeta it has shapes alone:
/// nothing is drawn or allocated, and parameter_count() is all that it costs. Throws c10::Error for a
/// configuration with a problem.
Denoiser make_denoiser(const DenoiserConfig& config, uint64_t seed, at::Device device = at::kCPU);

/// The exact denoiser of a Gaussian mixture: see make_gaussian_mixture.
Denoiser exact_denoiser(const at::Tensor& weights, const at::Tensor& means, const at::Tensor& stds);

/// A model file carries its network's configuration in its metadata (keys `onestep.network` and
/// `onestep.preconditioning`, JSON), so that it alone rebuilds the denoiser; an analytic one is of kind
/// gaussian_mixture. Its tensors are compared with what that says before any memory is taken for them; one
/// that is missing, of another shape or too many is an error. Throws
/// io::FileError, naming the file.
Denoiser load_denoiser(const std::filesystem::path& path, at::Device device,
                       at::ScalarType dtype = at::kFloat);
/// The same of what a file holds, and what it would hold (sharing storage with the denoiser).
Denoiser denoiser_of(const io::TensorFile& file, at::Device device, at::ScalarType dtype = at::kFloat);
io::TensorFile model_file(const Denoiser& denoiser, std::map<std::string, std::string> metadata = {});
void save_denoiser(const std::filesystem::path& path, const Denoiser& denoiser,
                   std::map<std::string, std::string> metadata = {});

}  // namespace onestep
