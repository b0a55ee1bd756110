// SPDX-License-Identifier: Apache-2.0
// What onestep-evaluate keeps between its calls.
#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "evaluate_command.h"
#include "io/file_size_limit.h"
#include "io/image.h"

namespace onestep {
namespace {

using namespace test;

TEST_CASE("onestep-evaluate reuses images and features that it has seen") {
  const TemporaryFolder folder;
  const std::string cache = "--cache " + (folder / "cache").string();
  const std::string command = "--generated " + toy_generator(folder).string() + " --reference " +
                              named_images(folder, 300) +
                              " --features pixels --seeds 0-159 --threads 1 --out ";
  REQUIRE(evaluate_app(command + (folder / "a").string(), cache).code == 0);
  REQUIRE(evaluate_app(command + (folder / "b").string(), cache).code == 0);
  const Json first = report_in(folder / "a"), second = report_in(folder / "b");
  CHECK(first["subjects"][0]["reused"] == Json{{"images", false}, {"features", false}});
  CHECK(second["subjects"][0]["reused"] == Json{{"images", true}, {"features", true}});
  CHECK(second["metrics"] == first["metrics"]);
}

TEST_CASE("onestep-evaluate makes anew what a damaged header in its cache hides") {
  const TemporaryFolder folder;
  const fs::path kept = folder / "cache";
  const std::string command =
      "--generated " + toy_generator(folder).string() + " --reference " + named_images(folder, 300) +
      " --features classifier:" + toy_classifier(folder).string() + " --seeds 0-159 --threads 1 --out ";
  const auto metrics_of_run = [&](const std::string& out) {
    const test::Said said = evaluate_app(command + (folder / out).string(), "--cache " + kept.string());
    INFO(said.err);
    REQUIRE(said.code == 0);
    return report_in(folder / out)["metrics"];
  };
  const Json first = metrics_of_run("first");
  const std::vector<std::pair<std::string, std::string>> damages{{R"("features":{)", R"("featurez":{)"},
                                                                 {R"("images":{)", R"("imagez":{)"},
                                                                 {R"("predicted":{)", R"("predictex":{)"},
                                                                 {R"("nfe":{)", R"("nfx":{)"},
                                                                 {R"("dtype":"U8")", R"("dtype":"I8")"},
                                                                 {R"([160,4])", R"([4,160])"},
                                                                 {R"([160,4])", R"([320,2])"},
                                                                 {R"([160,1,8,8])", R"([160,8,1,8])"}};
  for (const auto& [from, to] : damages) {
    CAPTURE(from, to);
    for (const auto& entry : fs::directory_iterator(kept)) change_header(entry.path(), from, to);
    CHECK(metrics_of_run("damaged") == first);
    CHECK(metrics_of_run("again") == first);
    CHECK(report_in(folder / "again")["subjects"][0]["reused"] == Json{{"images", true}, {"features", true}});
  }
}

TEST_CASE("onestep-evaluate gives the same bits from a cold and a warm cache") {
  const TemporaryFolder folder;
  const std::string command = "--generated " + toy_generator(folder).string() + " --reference " +
                              named_images(folder, 300) +
                              " --features classifier:" + toy_classifier(folder).string() +
                              " --metrics all --seeds 0-199 --threads 1";
  const auto report = [&](const std::string& out) {
    REQUIRE(
        evaluate_app(command + " --out " + (folder / out).string(), "--cache " + (folder / "cache").string())
            .code == 0);
    return report_in(folder / out);
  };
  const Json cold = report("cold");
  CHECK(cold["directions"].size() == 4);
  for (const char* out : {"warm", "again"}) {
    const Json warm = report(out);
    CHECK(warm["metrics"] == cold["metrics"]);
    CHECK(warm["directions"] == cold["directions"]);
  }
}

TEST_CASE("onestep-evaluate warns of a cache that others can write to") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 300, 4));
  fs::create_directories(folder / "cache");
  const auto err = [&](fs::perms mode) {
    fs::permissions(folder / "cache", mode);
    const test::Said said =
        evaluate_app(pair(a, a, folder / "out"), "--cache " + (folder / "cache").string());
    CHECK(said.code == 0);
    return said.err;
  };
  CHECK_THAT(err(fs::perms::all), Catch::Contains("others can write into this cache"));
  CHECK(err(fs::perms::owner_all | fs::perms::others_read) == "");
}

}  // namespace
}  // namespace onestep
