// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/shard.h"
#include "networks/module.h"

namespace onestep {

/// Images that are themselves the parameters (score distillation: SDS, VSD, DDS, RED-diff). Image nimg of a
/// run is particle nimg mod M.
struct Particles {
  at::Tensor images;            ///< [M, C, H, W]
  at::Tensor labels;            ///< [M, K], one-hot: what each particle is to become
  at::Tensor reference;         ///< [M, C, H, W]: the data image that belongs to each
  at::Tensor reference_labels;  ///< [M, K]: its class
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("images", m.images);
    visit("labels", m.labels, kBuffer);
    visit("reference", m.reference, kBuffer);
    visit("reference_labels", m.reference_labels, kBuffer);
  }
};

/// The rows of a shard's images, of `rows` [M, …].
at::Tensor particle_rows(const at::Tensor& rows, const Shard& shard);

/// The particles that images first … first + count − 1 of a run are, in order.
std::vector<int64_t> particles_met(const Particles& m, int64_t first, int64_t count);

inline at::Tensor student_images(const Particles& m, const Shard& shard) {
  return particle_rows(m.images, shard);
}

}  // namespace onestep
