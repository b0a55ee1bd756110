// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "networks/network.h"

namespace onestep {

/// A discriminator on one tap of a denoiser's network: 3×3 convolutions of stride 2, each
/// with group normalisation and SiLU, down to at most 4×4, then one linear map of all that is left to a
/// logit. On a 1×1 map, where no convolution mixes features, a hidden layer with SiLU comes before it: a log
/// ratio that is linear in the features of a small network would be a poor one.
struct Head {
  std::vector<std::pair<std::string, Conv2d>> convs;
  std::vector<std::pair<std::string, GroupNorm>> norms;
  std::optional<Linear> hidden;
  Linear logit;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("convs", m.convs);
    visit("norms", m.norms);
    visit("hidden", m.hidden);
    visit("logit", m.logit);
  }
};

/// One head for each selected tap; their logits are kept apart, [N, heads].
struct Heads {
  std::vector<std::pair<std::string, Head>> heads;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("heads", m.heads);
  }
};

/// One for each tap, by its name.
Heads make_heads(const std::vector<FeatureTap>& taps, uint64_t seed);

/// Logits [N, heads], float32 at least, of features [N, C_i, H_i, W_i]: positive means "looks real".
/// Gradients flow through both.
at::Tensor forward(const Heads& m, const std::vector<at::Tensor>& features);

}  // namespace onestep
