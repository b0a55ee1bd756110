// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/galleries.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "pages/html.h"

namespace onestep {
namespace {

/// What sharing seeds was worth: an error smaller by a factor f is worth f² as many samples.
std::string gain_text(double paired, std::optional<double> independent) {
  if (!independent || !(paired > 0)) return "";
  const double worth = std::pow(*independent / paired, 2);
  const std::string text = " Without that, its standard error would be " + number_text(*independent, 2) +
                           " instead of " + number_text(paired, 2);
  if (worth < 1.05) return text + ": here the shared seeds gain nothing.";
  return text + ". Pairing is worth " + number_text(worth, 2) + " times as many samples.";
}

std::string side_by_side(const Evaluation& evaluation) {
  constexpr int64_t kPairs = 12;
  const std::string worse = paired_gallery(evaluation, true, kPairs);
  if (worse.empty()) return "";
  const std::string first = evaluation.subjects.front().name, other = evaluation.config.baseline;
  return pages::paragraph(
             "Each pair shows one seed: " + first + " on the left, " + other +
             " on the right. The number is the difference of their influences on FID: above 0 the "
             "left one does more harm.") +
         heading("Where " + first + " does worse") + worse + heading("Where " + first + " does better") +
         paired_gallery(evaluation, false, kPairs);
}

}  // namespace

Section paired_section(const Evaluation& evaluation) {
  if (!evaluation.verdict || !evaluation.verdict->paired || !evaluation.verdict->se) return {};
  const Verdict& verdict = *evaluation.verdict;
  const std::string text =
      "Both drew their images from the same seeds, so what a seed does to both cancels in "
      "the gap of " +
      value_and_error(verdict.gap, verdict.se) + "." + gain_text(*verdict.se, independent_error(evaluation));
  return {"paired", "Same seeds, side by side", pages::paragraph(text) + side_by_side(evaluation)};
}

}  // namespace onestep
