// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "distillation/networks.h"
#include "distillation/ratio.h"
#include "divergences/divergence.h"

namespace onestep {

/// Through what a term's gradient flows from its loss to the student's images.
struct GradientPaths {
  bool denoisers = false;      ///< D_p and D_q
  bool discriminator = false;  ///< its logits, and the encoder below them

  GradientPaths operator|(const GradientPaths& other) const {
    return {denoisers || other.denoisers, discriminator || other.discriminator};
  }
};

/// What teacher, fake score and discriminator say of the student's images at one noise level each: complete
/// when it exists, and constant afterwards.
struct Observation {
  at::Tensor y, x;                   ///< x = y + σ ε; y is a leaf, which carries gradient where a path asks
  at::Tensor teacher, fake;          ///< D_p(x; σ), D_q(x; σ)
  at::Tensor logits;                 ///< of the discriminator at x; undefined without one
  std::vector<at::Tensor> features;  ///< of a frozen encoder at x, which they were made of, detached
  at::Tensor log_ratio;              ///< ln r, [n] or logits [n, …]; undefined where nothing measures it
  DivergenceWeights weights;         ///< h(r) and its derivatives, [n]
};

struct DistilConfig;

/// One forward pass of each, with a graph to y along `paths` alone. Weights are those of r = 1 until the
/// ratio is `believed`.
Observation observe(const DistilConfig& config, const Ratio& ratio, const Networks& networks,
                    const Shard& shard, const GradientPaths& paths, bool believed);

}  // namespace onestep
