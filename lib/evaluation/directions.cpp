// SPDX-License-Identifier: Apache-2.0
#include "evaluation/directions.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/outer.h>

#include "evaluation/rounding.h"
#include "evaluation/transport.h"

namespace onestep {
namespace {

/// The spread of a law that is not paired with the other's: R − R U Uᵀ, or nothing where U is square.
at::Tensor unpaired(const at::Tensor& root, const at::Tensor& paired) {
  if (paired.size(0) == paired.size(1)) return root.narrow(1, 0, 0);
  return root - root.matmul(paired).matmul(paired.t());
}

}  // namespace

std::vector<Direction> fid_directions(const Gaussian& generated, const Gaussian& reference, int64_t count) {
  TORCH_CHECK(count >= 0, "fid_directions: ", count, " directions asked for");
  const Transport pairs = transport(generated, reference);
  const at::Tensor gap = generated.mean - reference.mean;
  at::Tensor displacement = at::outer(gap, gap);
  for (const at::Tensor& part : {generated.root.matmul(pairs.v) - reference.root.matmul(pairs.u),
                                 unpaired(generated.root, pairs.v), unpaired(reference.root, pairs.u)})
    displacement.addmm_(part, part.t());
  const auto [values, vectors] = at::linalg_eigh(displacement);  // ascending
  const int64_t d = gap.size(0);
  const double rounding = frechet_rounding(generated, reference).covariance_term;
  std::vector<Direction> directions;
  for (int64_t i = d - 1; i >= std::max<int64_t>(0, d - count); --i) {
    const at::Tensor axis = vectors.select(1, i);
    directions.push_back({axis.dot(gap).item<double>() < 0 ? -axis : axis.clone(),
                          std::max(0.0, beyond_rounding(values[i].item<double>(), rounding))});
  }
  return directions;
}

}  // namespace onestep
