// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "temporary_folder.h"
#include "training/run_history.h"

using namespace onestep;
using Json = nlohmann::ordered_json;

TEST_CASE("A curve of any length has a bounded number of points, which are means of what they stand for") {
  RunHistory history;
  const int64_t lines = 100'000;
  for (int64_t i = 1; i <= lines; ++i)
    add_line(history, {{"nimg", 10 * i}, {"loss", static_cast<double>(i)}, {"bins", {i, 2 * i}}});
  REQUIRE(history.curves.size() == 1);
  const Curve& loss = history.curves[0];
  CHECK(loss.x.size() < Curve::kMostPoints);
  CHECK(loss.x.size() >= Curve::kMostPoints / 2 - 1);
  double sum = loss.y_sum, weight = static_cast<double>(loss.waiting);
  for (size_t i = 0; i < loss.x.size(); ++i) {
    CHECK(loss.x[i] == Approx(10 * loss.y[i]).epsilon(1e-12));
    if (i > 0) CHECK(loss.x[i] > loss.x[i - 1]);
    sum += loss.y[i] * static_cast<double>(loss.stride);
    weight += static_cast<double>(loss.stride);
  }
  CHECK(weight == lines);  // no value is lost or counted twice
  CHECK(sum == Approx(0.5 * lines * (lines + 1)).epsilon(1e-12));
  REQUIRE(history.lists.size() == 1);
  CHECK(history.lists[0].values == std::vector<double>{lines, 2 * lines});
}

TEST_CASE("A short curve is its values; those that are not finite are left out") {
  RunHistory history;
  add_line(history, {{"nimg", 1}, {"loss", 3.0}});
  add_line(history, {{"nimg", 2}, {"loss", NAN}});
  add_line(history, {{"nimg", 3}, {"loss", 1.0}, {"note", "x"}, {"changed", {{"run.threads", {"1", "2"}}}}});
  REQUIRE(history.curves.size() == 1);
  CHECK(history.curves[0].x == std::vector<double>{1, 3});
  CHECK(history.curves[0].y == std::vector<double>{3, 1});
}

TEST_CASE("Scores are compared until what is scored changes") {
  RunHistory history{.score = "fid", .curves = {}, .lists = {}, .scores = {}, .score_errors = {}};
  CHECK_FALSE(best_of(history));
  add_line(history, {{"nimg", 10}, {"fid", 2.0}, {"fid_se", 0.5}});
  add_line(history, {{"nimg", 20}, {"fid", 1.0}});
  add_line(history, {{"nimg", 30}, {"fid", 1.0}});
  add_line(history, {{"nimg", 30}, {"changed", {{"run.threads", {"1", "2"}}}}});
  add_line(history, {{"nimg", 30}, {"changed", {{"evaluation.every_images", {"10", "20"}}}}});
  CHECK(best_of(history) == 20);
  CHECK(history.score_errors.at(10) == 0.5);
  add_line(history, {{"nimg", 30}, {"changed", {{"evaluation.images", {"50", "5000"}}}}});
  CHECK_FALSE(best_of(history));
  add_line(history, {{"nimg", 40}, {"fid", 7.0}});
  CHECK(best_of(history) == 40);
}

TEST_CASE("The history of a log that is not there is empty") {
  const TemporaryFolder folder;
  CHECK(read_history(folder / "log.jsonl", "fid").curves.empty());
}
