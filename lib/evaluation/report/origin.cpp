// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "evaluation/number_text.h"
#include "evaluation/report/facts.h"
#include "evaluation/report/galleries.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "pages/html.h"
#include "pages/svg_bars.h"

namespace onestep {
namespace {

std::string terms(const Evaluation& evaluation) {
  std::vector<pages::Bar> bars;
  for (const Subject& subject : evaluation.subjects) {
    const Frechet& fid = subject.score.fid;
    // Equal laws leave rounding on either side of 0.
    bars.push_back({chart_name(subject.name),
                    {std::max(0.0, fid.mean_term), std::max(0.0, fid.covariance_term)},
                    value_text(fid.value, subject.score.se)});
  }
  return chart_figure(
      pages::bar_chart(bars, {"mean term", "covariance term"}, {.x_label = "FID", .y_label = ""}),
      "FID is a sum of two terms. The mean term tells how far the average features are apart: something is "
      "there too much or too little throughout. The covariance term tells how the spread differs: too little "
      "variety, or variety of another kind.");
}

/// What shift and spread along a direction say, in words.
std::string in_words(const DirectionFacts& facts) {
  constexpr double kSmallShift = 0.1, kSmallSpread = 0.05;
  if (!facts.shift || !facts.spread) return "";
  std::string text;
  if (std::abs(*facts.shift) >= kSmallShift)
    text += "On average the generated images lie " + number_text(std::abs(*facts.shift), 2) +
            " standard deviations too far to the " + (*facts.shift > 0 ? "right" : "left") +
            ": too much of what is there, too little of what is at the other end. ";
  const std::string who = text.empty() ? "The generated images" : "They";
  if (*facts.spread < 1 - kSmallSpread)
    text += who + " spread only " + number_text(*facts.spread, 2) +
            " times as far as the reference: both ends are too rare.";
  else if (*facts.spread > 1 + kSmallSpread)
    text += who + " spread " + number_text(*facts.spread, 3) +
            " times as far as the reference: both ends are too common.";
  return text.empty() ? "Mean and spread agree here; what differs is how this direction goes with others."
                      : text;
}

std::string directions(const Evaluation& evaluation) {
  constexpr int64_t kImages = 6;
  std::string html;
  int rank = 0;
  for (const Direction& direction : evaluation.directions) {
    const DirectionFacts facts = direction_facts(evaluation, direction);
    const std::string text = in_words(facts);
    html += heading(std::to_string(++rank) + ". " + percent_text(facts.share) + " of FID") +
            (text.empty() ? "" : pages::paragraph(text)) + direction_gallery(evaluation, direction, kImages);
  }
  if (html.empty()) return "";
  return heading("Directions in which the sets differ most") +
         pages::paragraph(
             "FID is a sum over directions of feature space. For each of the largest, these are the images "
             "farthest out at both ends: they show what the direction is about.") +
         html;
}

}  // namespace

Section origin_section(const Evaluation& evaluation) {
  return {"origin", "Where FID comes from", terms(evaluation) + directions(evaluation)};
}

}  // namespace onestep
