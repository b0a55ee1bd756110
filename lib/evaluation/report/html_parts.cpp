// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/html_parts.h"

#include <algorithm>
#include <cstdio>

#include "evaluation/number_text.h"
#include "io/progress.h"
#include "pages/html.h"

namespace onestep {

std::string report_style() {
  return R"(
.hero { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.4rem 1.2rem; margin: 1rem 0; }
.hero .what { color: var(--soft); margin: 0; }
.hero .fid { font-size: clamp(2.6rem, 9vw, 4rem); font-weight: 680; line-height: 1.1; letter-spacing: -.02em; font-variant-numeric: tabular-nums; margin: .1rem 0; }
.hero .fid small { font-size: .42em; font-weight: 500; color: var(--soft); letter-spacing: 0; white-space: nowrap; }
.hero p { margin: .35rem 0; max-width: none; }
.hero dl { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: .7rem 0; }
.hero dt { color: var(--soft); font-size: .9rem; } .hero dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.hero details { margin: .5rem 0 0; } .hero ul { margin: .4rem 0 0; font-size: .95rem; }
.pill { display: inline-block; padding: .08rem .65rem; border-radius: 1rem; font-size: .85rem; font-weight: 600; margin-right: .5rem; border: 1px solid currentColor; }
.better, .edm { color: var(--s2); } .worse { color: var(--s1); } .inconclusive, .quiet { color: var(--soft); } .quiet { font-weight: 500; }
.contents { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0; font-size: .92rem; } .contents a { color: var(--s0); text-decoration: none; }
.contents a:hover { text-decoration: underline; }
.headline small { display: block; }
.chart-box svg.chart { max-width: 46rem; }
.table-bar { display: block; height: 4px; border-radius: 2px; margin-top: 3px; min-width: 1px; stroke: none; }
.cell-bar { display: block; min-width: 5.5rem; text-align: left; }
.s0.table-bar { background: var(--s0); } .s1.table-bar { background: var(--s1); } .s2.table-bar { background: var(--s2); } .s3.table-bar { background: var(--soft); }
td:first-child { min-width: 6.5rem; } .wide td { overflow-wrap: anywhere; }
code { font: .85em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.6rem 0 .5rem; } ul { padding-left: 1.2rem; max-width: 46rem; } li { margin: .3rem 0; }
dl.definitions { max-width: 46rem; } dl.definitions dt { font-weight: 600; margin-top: .7rem; } dl.definitions dd { margin: 0 0 0 1.2rem; }
@media (max-width: 30rem) { .chart-box svg.chart { min-width: 0; font-size: 17px; } body { padding: 1.2rem .9rem 3rem; } .hero { padding: .9rem 1rem; } }
@media print { .hero, .headline div, tr { break-inside: avoid; } h3 { break-after: avoid; } .contents { display: none; } svg.chart { min-width: 0 !important; max-width: 36rem; }
  .scroll, figure { overflow: visible; } table { font-size: 9pt; } }
)";
}

std::string heading(const std::string& text) {
  return "<h3>" + pages::escape(text) + "</h3>\n";
}

std::string list(const std::vector<std::string>& lines) {
  std::string items;
  for (const std::string& line : lines) items += "<li>" + pages::escape(line) + "</li>\n";
  return "<ul>\n" + items + "</ul>\n";
}

std::string chart_figure(const std::string& chart_html, const std::string& caption) {
  return "<div class=\"chart-box\">" + pages::figure(chart_html, caption) + "</div>\n";
}

std::string chart_name(const std::string& name) {
  constexpr int kLongest = 22;
  int letters = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((name[i] & 0xC0) == 0x80) continue;  // within a letter of several bytes
    if (++letters == kLongest && i + 1 < name.size()) return name.substr(0, i) + "…";
  }
  return name;
}

std::string html_table(const std::vector<std::string>& header, const std::vector<bool>& numeric,
                       const std::vector<Row>& rows_html) {
  const auto cells = [&](const Row& row, const std::string& tag) {
    std::string html;
    for (size_t i = 0; i < row.size(); ++i)
      html +=
          "<" + tag + (i < numeric.size() && numeric[i] ? " class=\"n\">" : ">") + row[i] + "</" + tag + ">";
    return "<tr>" + html + "</tr>\n";
  };
  Row names;
  for (const std::string& name : header) names.push_back(pages::escape(name));
  std::string html = "<div class=\"scroll\"><table>\n<thead>" + cells(names, "th") + "</thead>\n<tbody>\n";
  for (const Row& row : rows_html) html += cells(row, "td");
  return html + "</tbody></table></div>\n";
}

std::string bar_cell(const std::string& text, double share, const std::string& style) {
  std::string bar;
  if (share > 0) {
    char width[32];
    std::snprintf(width, sizeof width, "%.1f", 100.0 * std::min(share, 1.0));
    bar = "<i class=\"table-bar " + style + "\" style=\"width:" + width + "%\"></i>";
  }
  return "<span class=\"cell-bar\">" + pages::escape(text) + bar + "</span>";
}

std::string fid_text(const Subject& subject) {
  return value_and_error(subject.score.fid.value, subject.score.se);
}

std::string or_dash(const std::optional<double>& value, std::string (*text)(double)) {
  return value ? text(*value) : "–";
}

std::string count_or_dash(const std::optional<int64_t>& value) {
  return value ? io::format_count(*value) : "–";
}

std::string counted(int64_t count, const std::string& one) {
  return io::format_count(count) + " " + one + (count == 1 ? "" : "s");
}

}  // namespace onestep
