// SPDX-License-Identifier: Apache-2.0
#include "evaluation/verdict.h"

#include <algorithm>
#include <cmath>

namespace onestep {

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::better:
      return "better";
    case Outcome::worse:
      return "worse";
    case Outcome::inconclusive:
      break;
  }
  return "inconclusive";
}

Verdict judge(const Scored& subject, const Scored& baseline, std::optional<double> paired_se) {
  constexpr double kLottery = 0.013;
  Verdict verdict;
  verdict.gap = subject.fid - baseline.fid;
  verdict.floor = kLottery * std::max(std::abs(subject.fid), std::abs(baseline.fid));
  verdict.paired = paired_se.has_value();
  if (verdict.paired)
    verdict.se = paired_se;
  else if (subject.se && baseline.se)
    verdict.se = std::hypot(*subject.se, *baseline.se);
  verdict.within_floor = std::abs(verdict.gap) <= verdict.floor;
  verdict.within_noise = verdict.se && std::abs(verdict.gap) <= 2.0 * *verdict.se;
  if (!verdict.within_floor && !verdict.within_noise)
    verdict.outcome = verdict.gap < 0 ? Outcome::better : Outcome::worse;
  return verdict;
}

}  // namespace onestep
