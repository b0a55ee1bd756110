// SPDX-License-Identifier: Apache-2.0
#include "evaluation/number_text.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"
#include "pages/svg_chart.h"

namespace onestep {
namespace {

/// FID of subsets against 1000/N, the line through them and its end at N = ∞.
std::string sample_size_chart(const FidInfinity& fit) {
  constexpr double kUnit = 1000;  // 1/N itself has labels such as 0.0005
  pages::Series subsets{
      .name = "random subsets of the samples", .x = {}, .y = {}, .has_line = false, .has_dots = true};
  for (size_t i = 0; i < fit.sizes.size(); ++i) {
    subsets.x.push_back(kUnit / static_cast<double>(fit.sizes[i]));
    subsets.y.push_back(fit.fids[i]);
  }
  const double limit = fit.intercept.value, widest = subsets.x.front();
  const pages::Series line{
      .name = "fitted line", .x = {0, widest}, .y = {limit, limit + fit.slope * widest / kUnit}};
  const pages::Series end{.name = "FID∞ " + value_and_error(limit, fit.intercept.se),
                          .x = {0},
                          .y = {limit},
                          .error = {fit.intercept.se.value_or(0.0)},
                          .has_line = false,
                          .has_dots = true};
  return pages::line_chart({subsets, line, end},
                           {.x_label = "1000 / N (0: infinitely many samples)", .y_label = "FID"});
}

std::string sample_size(const Subject& first) {
  if (!first.measured.fid_infinity) return "";
  const FidInfinity& fit = *first.measured.fid_infinity;
  const double excess = fit.fids.back() - fit.intercept.value;
  return heading("FID falls as samples grow") +
         chart_figure(
             sample_size_chart(fit),
             "FID of random subsets from " + io::format_count(fit.sizes.front()) + " to all " +
                 io::format_count(fit.sizes.back()) +
                 " samples. It lies near a line in 1/N; where that meets the left edge is FID∞. Having "
                 "only so many samples adds about " +
                 number_text(excess, 2) +
                 " to FID here. The error of FID∞ is that of the line; fresh samples would move it more.");
}

std::string seed_sets(const Subject& first) {
  if (first.seed_sets.empty()) return "";
  std::vector<pages::Dot> dots;
  for (const SeedSet& set : first.seed_sets)
    dots.push_back({"seeds from " + io::format_count(set.first_seed), set.fid, set.se.value_or(0.0)});
  const SeedSetSummary summary = summary_of(first.seed_sets);
  dots.push_back({"mean ± sd", summary.mean, summary.sd});
  return heading("Sets of seeds") +
         chart_figure(pages::dot_chart(dots, {.x_label = "FID", .y_label = ""}),
                      "Each set with one standard error each way, and their mean with the standard deviation "
                      "of the sets. Papers report the smallest, " +
                          value_text(summary.min, summary.sd) + "; the mean is the fairer number.");
}

}  // namespace

Section uncertainty_section(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  return {"uncertainty", "How sure the number is", seed_sets(first) + sample_size(first)};
}

}  // namespace onestep
