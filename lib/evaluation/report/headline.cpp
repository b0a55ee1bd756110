// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "evaluation/number_text.h"
#include "evaluation/remarks.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {
namespace {

/// What makes a number worthless stands above it.
std::string warnings(const Evaluation& evaluation) {
  std::string html;
  for (const std::string& warning : evaluation.warnings) html += pages::notice(warning);
  return html;
}

std::string pill(const std::string& style, const std::string& text) {
  return "<span class=\"pill " + style + "\">" + pages::escape(text) + "</span>";
}

std::string verdict(const Evaluation& evaluation) {
  if (!evaluation.verdict) return "";
  const std::string outcome = outcome_name(evaluation.verdict->outcome);
  return "<p>" + pill(outcome, outcome) + pages::escape(verdict_sentence(evaluation)) + "</p>\n";
}

/// The badge, or what keeps the evaluation from it.
std::string protocol(const Evaluation& evaluation) {
  if (evaluation.departures.empty()) return "<p>" + pill("edm", "EDM protocol") + "</p>\n";
  return "<details><summary>" + pill("quiet", "not the EDM protocol") + "why</summary>" +
         list(evaluation.departures) + "</details>\n";
}

/// FID∞ and the sets of seeds, where they were measured.
std::string second_line(const Subject& first) {
  std::string items;
  const auto add = [&](const std::string& name, const std::string& value) {
    items += "<div><dt>" + pages::escape(name) + "</dt><dd>" + pages::escape(value) + "</dd></div>\n";
  };
  if (!first.seed_sets.empty()) {
    const SeedSetSummary summary = summary_of(first.seed_sets);
    const std::string sets = std::to_string(first.seed_sets.size()) + " sets of seeds";
    add("smallest of " + sets, value_text(summary.min, summary.sd));
    add("mean of " + sets + " ± sd", value_and_error(summary.mean, summary.sd));
  }
  if (first.measured.fid_infinity) {
    const Estimate& limit = first.measured.fid_infinity->intercept;
    add("FID∞, for infinitely many samples", value_and_error(limit.value, limit.se));
  }
  return items.empty() ? "" : "<dl>\n" + items + "</dl>\n";
}

std::string what_was_compared(const Evaluation& evaluation) {
  const FeatureSet &set = evaluation.subjects.front().set, &real = evaluation.reference.set;
  const std::string evaluations = set.nfe ? counted(*set.nfe, "network evaluation") + " an image · " : "";
  const std::string n = set.size() > 0 ? counted(set.size(), "sample") : "samples, their number not known,";
  const std::string against =
      real.size() > 0 ? io::format_count(real.size()) + " of the reference" : "a reference";
  return evaluations + n + " against " + against + " · " + io::format_count(set.width()) +
         " features · lower is better";
}

std::string hero(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  const std::string which = first.seed_sets.empty() ? "" : ", first set of seeds";
  return "<div class=\"hero\">\n<p class=\"what\">FID of " + pages::escape(first.name + which) +
         "</p>\n<p class=\"fid\">" + value_text(first.score.fid.value, first.score.se) + " <small>" +
         error_text(first.score.se) + "</small></p>\n" + verdict(evaluation) + second_line(first) +
         "<p class=\"what\">" + pages::escape(what_was_compared(evaluation)) + "</p>\n" +
         protocol(evaluation) + "</div>\n";
}

std::string others(const Evaluation& evaluation) {
  std::vector<pages::Figure> figures;
  for (size_t i = 1; i < evaluation.subjects.size(); ++i) {
    const Subject& other = evaluation.subjects[i];
    figures.push_back({fid_text(other), other.name,
                       other.set.nfe ? counted(*other.set.nfe, "network evaluation")
                                     : counted(other.set.size(), "sample")});
  }
  return figures.empty() ? "" : pages::headline(figures);
}

}  // namespace

std::string headline(const Evaluation& evaluation) {
  return warnings(evaluation) + hero(evaluation) + others(evaluation) +
         pages::notice(comparability(evaluation));
}

}  // namespace onestep
