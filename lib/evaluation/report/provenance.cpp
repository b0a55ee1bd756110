// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "evaluation/number_text.h"
#include "evaluation/report/citations.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/sections.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {
namespace {

std::string machine(const Provenance& provenance) {
  return pages::table({}, {{"OneStep", provenance.onestep},
                           {"LibTorch", provenance.libtorch},
                           {"device", provenance.device},
                           {"threads", std::to_string(provenance.threads)},
                           {"date", provenance.date},
                           {"whole evaluation", io::format_duration(provenance.seconds)}});
}

std::string seconds_text(double seconds, bool reused) {
  if (seconds <= 0) return "–";
  return number_text(seconds) + (reused ? " (from the cache)" : "");
}

/// "" where neither images were drawn nor features computed.
std::string timings(const Evaluation& evaluation) {
  std::vector<Row> rows;
  bool reused = false;
  const auto add = [&](const std::string& name, const FeatureSet& set) {
    if (set.image_seconds <= 0 && set.feature_seconds <= 0) return;
    reused = reused || set.images_reused || set.features_reused;
    rows.push_back({name, seconds_text(set.image_seconds, set.images_reused),
                    seconds_text(set.feature_seconds, set.features_reused), set.sampler});
  };
  for (const Subject& subject : evaluation.subjects) add(subject.name, subject.set);
  add("reference", evaluation.reference.set);
  if (rows.empty()) return "";
  return heading("Timings") + pages::table({"", "drawing images, s", "features, s", "sampler"}, rows) +
         (reused ? pages::paragraph(
                       "What comes from the cache was not computed again: its seconds are those of then.")
                 : "");
}

std::string files(const Evaluation& evaluation) {
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, const std::string& source, const std::string& sha256) {
    rows.push_back(
        {pages::escape(name), pages::escape(source), "<code>" + pages::escape(sha256) + "</code>"});
  };
  const NetworkFile& network = evaluation.network;
  const std::string origin = network.origin.empty() ? "" : ", converted from " + network.origin;
  if (!network.path.empty()) add("features", network.path + origin, network.sha256);
  for (const Subject& subject : evaluation.subjects)
    add(subject.name, subject.set.source, subject.set.sha256);
  add("reference", evaluation.reference.set.source, evaluation.reference.set.sha256);
  return heading("Files") + "<div class=\"wide\">" +
         html_table({"", "source", "SHA-256 (of the file; of the pixels for a dataset)"}, {}, rows) +
         "</div>\n";
}

std::string how_to_cite(const Evaluation& evaluation, const Provenance& provenance) {
  return pages::details("How to cite",
                        heading("Methods") + pages::paragraph(methods_text(evaluation, provenance)) +
                            heading("What was used") + pages::preformatted(bibliography(evaluation)));
}

}  // namespace

Section provenance_section(const Evaluation& evaluation, const Provenance& provenance) {
  return {
      "provenance", "Provenance",
      pages::preformatted(provenance.command) + machine(provenance) + timings(evaluation) +
          files(evaluation) + how_to_cite(evaluation, provenance) +
          pages::details("Resolved configuration", pages::preformatted(config::to_yaml(evaluation.config)))};
}

}  // namespace onestep
