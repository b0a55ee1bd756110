// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "evaluation/estimate.h"

namespace onestep {

struct InceptionScore {
  Estimate score;              ///< the mean over the parts; the error is that of this mean
  double sd = 0;               ///< of the parts (divided by their number): what papers print behind ±
  std::vector<double> splits;  ///< of each part
};

/// The Inception Score (Salimans et al. 2016), exp E KL(p(y|x) ‖ p(y)), p(y|x) = softmax(logits [N, K]) (any
/// floating type), p(y) its mean: between 1 and K. The mean KL is the mutual information, H(y) − E H(y|x),
/// and is computed so: a probability of 0 does no harm. All sums in float64.
///
/// Samples are cut into `splits` parts, rows ⌊iN/s⌋ … ⌊(i+1)N/s⌋ − 1 of `order` (int64 [N], a permutation; as
/// they stand where undefined), each with its own p(y); a small part scores lower, so values compare at equal
/// N and splits. Samples that come sorted by class need an order. The standard error is that of the mean over
/// the parts, with their sample variance: sd/√(s − 1); there is none for one part. Throws c10::Error when
/// shapes or types do not fit, N < splits, or a logit is not finite.
InceptionScore inception_score(const at::Tensor& logits, int64_t splits = 10, const at::Tensor& order = {});

}  // namespace onestep
