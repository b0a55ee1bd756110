// SPDX-License-Identifier: Apache-2.0
#include "training/run_history.h"

#include <algorithm>
#include <cmath>

#include "io/folder.h"
#include "io/jsonl.h"

namespace onestep {
namespace {

constexpr const char* kScoringKeys = "evaluation";  // of the configuration

double number(const nlohmann::ordered_json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

/// The entry of that key, made where there is none.
template <class Entry>
Entry& entry_of(std::vector<Entry>& entries, const std::string& key) {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  if (found != entries.end()) return *found;
  entries.emplace_back().key = key;
  return entries.back();
}

/// Half as many points, each the mean of two.
void thin(Curve& curve) {
  for (std::vector<double>* values : {&curve.x, &curve.y}) {
    for (size_t i = 0; i < values->size() / 2; ++i)
      (*values)[i] = 0.5 * ((*values)[2 * i] + (*values)[2 * i + 1]);
    values->resize(values->size() / 2);
  }
  curve.stride *= 2;
}

void add_score(RunHistory& history, const nlohmann::ordered_json& line, double nimg) {
  const auto found = line.find(history.score);
  const auto at = line.find("nimg");
  if (found == line.end() || !at->is_number_integer() || !std::isfinite(number(*found))) return;
  const auto images = static_cast<int64_t>(nimg);
  history.scores[images] = number(*found);
  const auto error = line.find(history.score + "_se");
  if (error != line.end() && error->is_number()) history.score_errors[images] = number(*error);
}

/// Whether a line says that models are scored otherwise from here on.
bool changes_scoring(const nlohmann::ordered_json& line) {
  const auto changed = line.find("changed");
  if (changed == line.end() || !changed->is_object()) return false;
  return std::ranges::any_of(changed->items(), [](const auto& item) {
    return item.key().starts_with(kScoringKeys) && !item.key().ends_with(".every_images");
  });
}

}  // namespace

void add_value(Curve& curve, double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) return;
  curve.x_sum += x;
  curve.y_sum += y;
  if (++curve.waiting < curve.stride) return;
  const auto n = static_cast<double>(curve.waiting);
  curve.x.push_back(curve.x_sum / n);
  curve.y.push_back(curve.y_sum / n);
  curve.x_sum = curve.y_sum = 0;
  curve.waiting = 0;
  if (curve.x.size() == Curve::kMostPoints) thin(curve);
}

void add_line(RunHistory& history, const nlohmann::ordered_json& line) {
  if (changes_scoring(line)) {
    history.scores.clear();
    history.score_errors.clear();
  }
  const auto nimg = line.find("nimg");
  if (nimg == line.end() || !nimg->is_number()) return;
  const double x = number(*nimg);
  for (const auto& [key, value] : line.items()) {
    if (key == "nimg") continue;
    if (value.is_array()) {
      LastList& list = entry_of(history.lists, key);
      list.values.clear();
      for (const auto& one : value) list.values.push_back(number(one));
    } else if (value.is_number()) {
      add_value(entry_of(history.curves, key), x, number(value));
    }
  }
  if (!history.score.empty()) add_score(history, line, x);
}

RunHistory read_history(const std::filesystem::path& log, const std::string& score) {
  RunHistory history{.score = score, .curves = {}, .lists = {}, .scores = {}, .score_errors = {}};
  if (io::path_exists(log))
    io::for_each_json_line(log, [&](const nlohmann::ordered_json& line) { add_line(history, line); });
  return history;
}

std::optional<int64_t> best_of(const RunHistory& history) {
  const auto best = std::ranges::min_element(history.scores, {}, [](const auto& s) { return s.second; });
  if (best == history.scores.end()) return std::nullopt;
  return best->first;
}

}  // namespace onestep
