// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/observation.h"
#include "distillation/terms/term_weight.h"

/// A term of the student's loss is a struct with
///
///   static constexpr const char* name;     in the log
///   static constexpr GradientPaths paths;  through what its gradient flows to the images
///   TermWeight weight;
///
/// and a function pull(term, inputs): its losses, and where they pull the student's images.
namespace onestep {

/// All that a term may look at.
struct TermInputs {
  const Networks& networks;
  const Shard& shard;
  const Observation& seen;
};

/// Per-sample losses [n] before the term's weight, for the log, and their gradient at the student's images
/// [n, C, H, W].
struct Pull {
  at::Tensor losses, gradient;
  at::Tensor images = {};  ///< at which, with the student's graph; undefined: those of the shard
};

/// ∂/∂images of a sum of losses [n] that carry a graph to `images`, a leaf. Parameters on the way gather
/// nothing, and the graph stays for the other terms.
at::Tensor gradient_at(const at::Tensor& images, const at::Tensor& losses);

}  // namespace onestep
