// SPDX-License-Identifier: Apache-2.0
#include "evaluation/influence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_svd.h>

namespace onestep {
namespace {

/// W [d, k] with T = W Wᵀ.
at::Tensor transport_root(const Gaussian& generated, const Gaussian& reference) {
  at::Tensor product = reference.root.t().matmul(generated.root);
  auto [u, s, vh] = at::linalg_svd(product, /*full_matrices=*/false);
  const double size = static_cast<double>(std::max(product.size(0), product.size(1)));
  const double floor =
      s.numel() ? s.max().item<double>() * size * std::numeric_limits<double>::epsilon() : 0.0;
  const int64_t kept = (s > floor).sum().item<int64_t>();  // s comes largest first
  return reference.root.matmul(u.narrow(1, 0, kept)) / s.narrow(0, 0, kept).sqrt();
}

}  // namespace

at::Tensor influence(const at::Tensor& features, const Gaussian& generated, const Gaussian& reference) {
  TORCH_CHECK(features.dim() == 2 && features.size(1) == generated.mean.size(0),
              "influence: features must be [N, ", generated.mean.size(0), "], got ", features.sizes());
  at::Tensor w = transport_root(generated, reference);
  at::Tensor gap = generated.mean - reference.mean;
  constexpr int64_t kRows = 4096;
  std::vector<at::Tensor> parts;
  for (int64_t row = 0; row < features.size(0); row += kRows) {
    at::Tensor z =
        features.narrow(0, row, std::min(kRows, features.size(0) - row)).to(at::kDouble) - generated.mean;
    parts.push_back(2.0 * z.matmul(gap) + z.square().sum(1) - z.matmul(w).square().sum(1));
  }
  at::Tensor values = at::cat(parts);
  return values - values.mean();
}

std::optional<double> influence_standard_error(const at::Tensor& influence_values, int64_t width) {
  const int64_t n = influence_values.size(0);
  if (n <= width) return std::nullopt;
  return influence_values.std(/*unbiased=*/true).item<double>() / std::sqrt(static_cast<double>(n));
}

}  // namespace onestep
