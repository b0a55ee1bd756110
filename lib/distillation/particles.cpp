// SPDX-License-Identifier: Apache-2.0
#include "distillation/particles.h"

#include <algorithm>

namespace onestep {

at::Tensor particle_rows(const at::Tensor& rows, const Shard& shard) {
  return rows.index_select(0, shard.indices.remainder(rows.size(0)).to(rows.device()));
}

std::vector<int64_t> particles_met(const Particles& m, int64_t first, int64_t count) {
  const int64_t all = m.images.size(0);
  std::vector<int64_t> met;
  for (int64_t i = 0; i < std::min(count, all); ++i) met.push_back((first + i) % all);
  std::ranges::sort(met);
  return met;
}

}  // namespace onestep
