// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/shard.h"
#include "networks/module.h"

namespace onestep {

/// y = μ + s z, every coordinate on its own: a student too weak for most data, whose noised density is known,
/// so that its score and the density ratio are exact.
struct GaussianStudent {
  at::Tensor mean, log_std;  ///< [1, C, H, W]
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("mean", m.mean);
    visit("log_std", m.log_std);
  }
};

GaussianStudent make_gaussian_student(double mean, double std, at::IntArrayRef image_shape);

at::Tensor student_images(const GaussianStudent& m, const Shard& shard);

}  // namespace onestep
