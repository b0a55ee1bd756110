// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/term_weight.h"

#include <algorithm>

namespace onestep {

double weight_at(const TermWeight& term, int64_t nimg) {
  const double kimg = static_cast<double>(nimg) / 1000 - term.start_kimg;
  if (kimg < 0) return 0;
  return term.weight * (term.ramp_kimg > 0 ? std::min(1.0, kimg / term.ramp_kimg) : 1.0);
}

}  // namespace onestep
