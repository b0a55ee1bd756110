// SPDX-License-Identifier: Apache-2.0
#include "evaluation/transport.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svd.h>

#include "evaluation/rounding.h"

namespace onestep {

Transport transport(const Gaussian& generated, const Gaussian& reference) {
  TORCH_CHECK(generated.mean.size(0) == reference.mean.size(0), "transport: widths differ, ",
              generated.mean.size(0), " and ", reference.mean.size(0));
  const at::Tensor product = reference.root.t().matmul(generated.root);
  const auto [u, s, vh] = at::linalg_svd(product, /*full_matrices=*/false);
  const double size = static_cast<double>(std::max(product.size(0), product.size(1)));
  const double floor = s.numel() ? s.max().item<double>() * size * kEpsilon : 0.0;
  const int64_t kept = (s > floor).sum().item<int64_t>();
  return {u.narrow(1, 0, kept), s.narrow(0, 0, kept), vh.narrow(0, 0, kept).t()};
}

at::Tensor transport_root(const Gaussian& generated, const Gaussian& reference) {
  const Transport pairs = transport(generated, reference);
  return reference.root.matmul(pairs.u) / pairs.s.sqrt();
}

}  // namespace onestep
