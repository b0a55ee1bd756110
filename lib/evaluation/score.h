// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "evaluation/feature_set.h"
#include "evaluation/frechet.h"

namespace onestep {

/// FID of one set against the reference.
struct FidScore {
  Frechet fid;
  std::optional<double> se;  ///< no value: `se_reason` says why
  std::string se_reason;
  std::optional<double> equality_bias;  ///< FID that as many samples of the reference's own law would show on
                                        ///< average; no value where N is not known
  int64_t rank = 0;                     ///< of the set's covariance
  std::string method;                   ///< of the set's root: cholesky, eigen, thin
  at::Tensor influence;                 ///< [N] float64, mean zero; undefined where only statistics are known
};

/// The Gaussian of a set, from its samples or its statistics. Throws NumericalError when the covariance of
/// its features overflows.
Gaussian fit(const FeatureSet& set);

/// Throws the io::FileError for features that are not as wide as those of the reference.
[[noreturn]] void throw_widths_differ(const std::string& source, int64_t width, const std::string& reference,
                                      int64_t reference_width);

/// FID, its standard error and influences of a set. set.source names it in errors. Throws io::FileError when
/// widths differ, NumericalError when FID overflows.
FidScore score(const FeatureSet& set, const Gaussian& law, const FeatureSet& reference,
               const Gaussian& reference_law);

}  // namespace onestep
