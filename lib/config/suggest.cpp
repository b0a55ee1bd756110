// SPDX-License-Identifier: Apache-2.0
#include "config/suggest.h"

#include <algorithm>

namespace onestep::config {
namespace {

// Optimal string alignment distance; rows[i][j] is the cost from the first i letters of a to the first j of
// b.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      rows[i][j] =
          std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  const size_t limit = std::clamp<size_t>(word.size() / 3, 1, 4);
  std::string best;
  size_t best_distance = limit + 1;
  for (const auto& candidate : candidates) {
    // Also what keeps a hostile, very long word from costing anything.
    if (candidate.size() + limit < word.size() || word.size() + limit < candidate.size()) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates,
                       const std::string& otherwise) {
  const std::string near = nearest(word, candidates);
  if (!near.empty()) return " (did you mean '" + near + "'?)";
  if (candidates.empty()) return "";
  return " (" + otherwise + ": " + join(candidates, ", ") + ")";
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  std::string joined;
  for (const auto& word : words) joined += (joined.empty() ? "" : separator) + word;
  return joined;
}

std::string listed(std::vector<std::string> words, size_t most) {
  const size_t more = words.size() - std::min(words.size(), most);
  words.resize(words.size() - more);
  return join(words, ", ") + (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

}  // namespace onestep::config
