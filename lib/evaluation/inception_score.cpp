// SPDX-License-Identifier: Apache-2.0
#include "evaluation/inception_score.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/xlogy.h>

#include "evaluation/rounding.h"

namespace onestep {
namespace {

/// exp I(x; y) of the rows.
double score_of(const at::Tensor& logits) {
  const at::Tensor log_p = logits.to(at::kDouble).log_softmax(1), p = log_p.exp(), law = p.mean(0);
  const double certain = (p * log_p).sum(1).mean().item<double>(),
               all = at::xlogy(law, law).sum().item<double>();
  return std::exp(
      beyond_rounding(certain - all, rounding_of(std::abs(certain) + std::abs(all), logits.size(1))));
}

}  // namespace

InceptionScore inception_score(const at::Tensor& logits, int64_t splits, const at::Tensor& order) {
  TORCH_CHECK(logits.dim() == 2 && logits.size(1) >= 1 && at::isFloatingType(logits.scalar_type()),
              "inception_score: logits must be floating [N, K], got ", logits.scalar_type(), " ",
              logits.sizes());
  const int64_t n = logits.size(0);
  TORCH_CHECK(splits >= 1 && n >= splits, "inception_score: ", splits, " splits need as many samples, got ",
              n);
  TORCH_CHECK(at::isfinite(logits).all().item<bool>(), "inception_score: logits are not finite");
  TORCH_CHECK(
      !order.defined() || (order.dim() == 1 && order.size(0) == n && order.scalar_type() == at::kLong),
      "inception_score: an order must be int64 [", n, "]");
  InceptionScore result;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < splits; ++i) {
    const int64_t begin = i * n / splits, end = (i + 1) * n / splits;
    result.splits.push_back(score_of(order.defined() ? logits.index_select(0, order.slice(0, begin, end))
                                                     : logits.slice(0, begin, end)));
    sum += result.splits.back();
  }
  const auto count = static_cast<double>(splits);
  result.score.value = sum / count;
  for (const double split : result.splits) squares += std::pow(split - result.score.value, 2);
  result.sd = beyond_rounding(std::sqrt(squares / count), rounding_of(result.score.value, splits));
  if (splits > 1) result.score.se = result.sd / std::sqrt(count - 1.0);
  return result;
}

}  // namespace onestep
