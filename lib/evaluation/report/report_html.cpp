// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report.h"
#include "evaluation/report/html_parts.h"
#include "evaluation/report/pictures.h"
#include "evaluation/report/sections.h"
#include "pages/html.h"

namespace onestep {
namespace {

/// In the order of the page.
std::vector<Section> sections_of(const Evaluation& evaluation, const Provenance& provenance) {
  std::vector<Section> sections{comparison_section(evaluation),  published_section(evaluation),
                                paired_section(evaluation),      trend_section(evaluation),
                                uncertainty_section(evaluation), origin_section(evaluation),
                                metrics_section(evaluation),     samples_section(evaluation),
                                classes_section(evaluation),     others_section(evaluation),
                                validity_section(evaluation),    provenance_section(evaluation, provenance)};
  std::erase_if(sections, [](const Section& section) { return section.body.empty(); });
  return sections;
}

std::string contents(const std::vector<Section>& sections) {
  std::string links;
  for (const Section& section : sections)
    links += "<a href=\"#" + section.id + "\">" + pages::escape(section.title) + "</a>\n";
  return "<nav class=\"contents\" aria-label=\"Contents\">\n" + links + "</nav>\n";
}

}  // namespace

std::string report_html(const Evaluation& evaluation, const Provenance& provenance) {
  const std::vector<Section> sections = sections_of(evaluation, provenance);
  std::string body = "<style>" + report_style() + pictures_style() + "</style>\n" + headline(evaluation) +
                     contents(sections);
  for (const Section& section : sections) body += pages::section(section.title, section.body, section.id);
  return pages::page(evaluation.config.title, body);
}

}  // namespace onestep
