// SPDX-License-Identifier: Apache-2.0
#include "evaluation/moments.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/outer.h>

namespace onestep {

void accumulate(Moments& moments, const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 2, "moments: features must be [N, d], got ", features.sizes());
  if (features.size(0) == 0) return;
  at::Tensor x = features.to(at::kDouble);
  at::Tensor mean = x.mean(0);
  at::Tensor centred = x - mean;
  moments = merge(moments, {x.size(0), mean, centred.t().matmul(centred)});
}

Moments merge(const Moments& a, const Moments& b) {
  if (a.n == 0) return b;
  if (b.n == 0) return a;
  TORCH_CHECK(a.mean.size(0) == b.mean.size(0), "moments: features of width ", b.mean.size(0),
              " do not join features of width ", a.mean.size(0));
  const double n = static_cast<double>(a.n + b.n), share = static_cast<double>(b.n) / n;
  at::Tensor gap = b.mean - a.mean;
  return {a.n + b.n, a.mean + share * gap,
          a.scatter + b.scatter + at::outer(gap, gap) * (static_cast<double>(a.n) * share)};
}

Moments moments_of(const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 2, "moments: features must be [N, d], got ", features.sizes());
  constexpr int64_t kRows = 4096;
  Moments moments;
  for (int64_t row = 0; row < features.size(0); row += kRows)
    accumulate(moments, features.narrow(0, row, std::min(kRows, features.size(0) - row)));
  return moments;
}

at::Tensor covariance(const Moments& moments) {
  TORCH_CHECK(moments.n >= 2, "moments: a covariance needs at least 2 samples, got ", moments.n);
  return moments.scatter / static_cast<double>(moments.n - 1);
}

}  // namespace onestep
