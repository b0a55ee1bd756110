// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "config/check.h"

namespace onestep {

/// From what an autoencoder encodes, z, to the latents that diffusion sees, which are near unit variance:
/// (z − shift_factor) · scaling_factor.
struct LatentScaling {
  double scaling_factor = 1;
  double shift_factor = 0;
  bool operator==(const LatentScaling&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("scaling_factor", c.scaling_factor, "latents are (z - shift_factor) * scaling_factor",
          config::scale);
    visit("shift_factor", c.shift_factor, "see scaling_factor", config::between(-1e6, 1e6));
  }
};

inline at::Tensor scaled(const LatentScaling& s, const at::Tensor& z) {
  return (z - s.shift_factor) * s.scaling_factor;
}
inline at::Tensor unscaled(const LatentScaling& s, const at::Tensor& latents) {
  return latents / s.scaling_factor + s.shift_factor;
}

}  // namespace onestep
