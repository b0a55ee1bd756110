// SPDX-License-Identifier: Apache-2.0
#include "training/run_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "io/atomic_file.h"
#include "io/chart_style.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/html.h"
#include "io/jsonl.h"
#include "io/progress.h"
#include "io/svg_chart.h"

namespace onestep {
namespace {

using Log = std::vector<nlohmann::ordered_json>;

double number(const nlohmann::ordered_json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

/// The keys of all lines in order of first appearance; "nimg" is the axis.
std::vector<std::string> keys_of(const Log& log) {
  std::vector<std::string> keys;
  for (const auto& line : log) {
    for (const auto& item : line.items()) {
      if (item.key() != "nimg" && std::find(keys.begin(), keys.end(), item.key()) == keys.end())
        keys.push_back(item.key());
    }
  }
  return keys;
}

/// A number over the run, or a list (one number for each bin of noise levels) at the last line that has it.
std::string chart_of(const Log& log, const std::string& key) {
  io::Series course{.name = key}, last{.name = key};
  for (const auto& line : log) {
    const auto found = line.find(key);
    if (found == line.end()) continue;
    if (found->is_array()) {
      last.x.clear(), last.y.clear();
      for (size_t i = 0; i < found->size(); ++i) {
        last.x.push_back(static_cast<double>(i));
        last.y.push_back(number((*found)[i]));
      }
    } else {
      course.x.push_back(number(line.value("nimg", nlohmann::ordered_json())));
      course.y.push_back(number(*found));
    }
  }
  if (!last.x.empty())
    return io::line_chart({last}, {.x_label = "bin of ln sigma, at the end", .y_label = key});
  return io::line_chart({course}, {.x_label = "images", .y_label = key});
}

/// How good the model was on its way; "" where nobody looked.
std::string score_section(const RunFolder& folder, const Log& log, const std::string& score) {
  const nlohmann::ordered_json* best = nullptr;
  for (const auto& line : log)
    if (std::isfinite(number(line.value(score, nlohmann::ordered_json()))) &&
        line.value("nimg", nlohmann::ordered_json()).is_number_integer() &&
        (best == nullptr || number(line[score]) < number((*best)[score])))
      best = &line;
  if (best == nullptr) return "";
  const auto text = [&](const std::string& key) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.4g", number((*best)[key]));
    return std::string(digits);
  };
  std::string caption = "Fixed seeds each time; lower is better. The best is " + text(score);
  if (best->contains(score + "_se")) caption += " ± " + text(score + "_se");
  caption += " after " + io::format_count((*best)["nimg"].get<int64_t>()) + " images, kept as " +
             folder.best().filename().string() + ".";
  return io::section("Score", io::figure(chart_of(log, score), caption));
}

std::string curves(const Log& log, const std::string& score) {
  std::map<std::string, std::string> details;
  std::string main;
  for (const std::string& key : keys_of(log)) {
    if (!score.empty() && (key == score || key == score + "_se")) continue;
    const size_t slash = key.find('/');
    (slash == std::string::npos ? main : details[key.substr(0, slash)]) += chart_of(log, key);
  }
  for (const auto& [group, charts] : details) main += io::details(group, charts);
  return main.empty() ? io::paragraph("Nothing has been logged yet.") : main;
}

std::string newest_sheet(const RunFolder& folder) {
  std::filesystem::path newest;
  for (const std::filesystem::path& path : io::entries_of(folder.samples()))
    if (path.extension() == ".png") newest = path;
  if (newest.empty()) return "";
  const io::MappedFile png(newest);
  return io::section(
      "Samples", io::image_figure(png.bytes(), "fixed seeds, after " + newest.stem().string() + " images"));
}

}  // namespace

void write_run_report(const RunFolder& folder, const std::string& title, const std::vector<Figure>& figures,
                      const std::string& score) {
  std::string shown;
  for (const Figure& figure : figures) {
    shown += io::figure(figure.svg, figure.caption);
    io::write_file_atomically(folder.root / (figure.name + ".svg"), io::standalone_svg(figure.svg));
  }
  if (!shown.empty()) shown = io::section("Figures", shown);
  const io::MappedFile yaml(folder.config());
  const Log log = io::path_exists(folder.log()) ? io::read_jsonl(folder.log()) : Log{};
  const std::string body =
      score_section(folder, log, score) + shown + newest_sheet(folder) +
      io::section("Course", curves(log, score)) +
      io::section("Configuration", io::details("config.yaml", io::preformatted(yaml.bytes())));
  io::write_file_atomically(folder.root / "report.html", io::page(folder.root.string() + ": " + title, body));
}

}  // namespace onestep
