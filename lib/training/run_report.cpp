// SPDX-License-Identifier: Apache-2.0
#include "training/run_report.h"

#include <cstdio>
#include <map>
#include <vector>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/progress.h"
#include "pages/chart_style.h"
#include "pages/html.h"
#include "pages/svg_chart.h"

namespace onestep {
namespace {

/// A number over the run.
std::string chart_of(const Curve& curve) {
  pages::Series series{.name = curve.key, .x = curve.x, .y = curve.y};
  if (curve.waiting > 0) {
    series.x.push_back(curve.x_sum / static_cast<double>(curve.waiting));
    series.y.push_back(curve.y_sum / static_cast<double>(curve.waiting));
  }
  return pages::line_chart({series}, {.x_label = "images", .y_label = curve.key});
}

/// A list, one number for each bin of noise levels, as it was last.
std::string chart_of(const LastList& list) {
  pages::Series series{.name = list.key, .x = {}, .y = list.values};
  for (size_t i = 0; i < list.values.size(); ++i) series.x.push_back(static_cast<double>(i));
  return pages::line_chart({series}, {.x_label = "bin of ln sigma, at the end", .y_label = list.key});
}

std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// How good the model was on its way; "" where nobody looked.
std::string score_section(const RunFolder& folder, const RunHistory& history) {
  const auto best = best_of(history);
  if (!best) return "";
  std::string caption =
      "Fixed seeds each time; lower is better. The best is " + digits(history.scores.at(*best));
  if (const auto error = history.score_errors.find(*best); error != history.score_errors.end())
    caption += " ± " + digits(error->second);
  caption +=
      " after " + io::format_count(*best) + " images, kept as " + folder.best().filename().string() + ".";
  pages::Series series{.name = history.score, .x = {}, .y = {}};
  for (const auto& [nimg, value] : history.scores) {
    series.x.push_back(static_cast<double>(nimg));
    series.y.push_back(value);
  }
  return pages::section(
      "Score",
      pages::figure(pages::line_chart({series}, {.x_label = "images", .y_label = history.score}), caption));
}

std::string curves(const RunHistory& history) {
  std::map<std::string, std::string> details;
  std::string main;
  const auto add = [&](const auto& entry) {
    const std::string& key = entry.key;
    if (!history.score.empty() && (key == history.score || key == history.score + "_se")) return;
    const size_t slash = key.find('/');
    (slash == std::string::npos ? main : details[key.substr(0, slash)]) += chart_of(entry);
  };
  for (const Curve& curve : history.curves) add(curve);
  for (const LastList& list : history.lists) add(list);
  for (const auto& [group, charts] : details) main += pages::details(group, charts);
  return main.empty() ? pages::paragraph("Nothing has been logged yet.") : main;
}

std::string newest_sheet(const RunFolder& folder) {
  std::filesystem::path newest;
  for (const std::filesystem::path& path : io::entries_of(folder.samples()))
    if (path.extension() == ".png") newest = path;
  if (newest.empty()) return "";
  const io::MappedFile png(newest);
  return pages::section("Samples", pages::image_figure(png.bytes(), "fixed seeds, after " +
                                                                        newest.stem().string() + " images"));
}

}  // namespace

void write_run_report(const RunFolder& folder, const std::string& title, const std::vector<Figure>& figures,
                      const RunHistory& history) {
  std::string shown;
  for (const Figure& figure : figures) {
    shown += pages::figure(figure.svg, figure.caption);
    io::write_file_atomically(folder.root / (figure.name + ".svg"), pages::standalone_svg(figure.svg));
  }
  if (!shown.empty()) shown = pages::section("Figures", shown);
  const io::MappedFile yaml(folder.config());
  const std::string body =
      score_section(folder, history) + shown + newest_sheet(folder) +
      pages::section("Course", curves(history)) +
      pages::section("Configuration", pages::details("config.yaml", pages::preformatted(yaml.bytes())));
  io::write_file_atomically(folder.root / "report.html",
                            pages::page(folder.root.string() + ": " + title, body));
}

}  // namespace onestep
