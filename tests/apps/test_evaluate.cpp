// SPDX-License-Identifier: Apache-2.0
// onestep-evaluate as a user meets it: what it measures, and its files.
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

TEST_CASE("onestep-evaluate scores two feature files") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 300, 8) + 0.5);
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 400, 8));
  const test::Said done = evaluate_app(pair(a, b, folder / "deep" / "out"));
  CHECK(done.err == "");
  REQUIRE(done.code == 0);
  CHECK(done.out.find("±") != std::string::npos);
  CHECK(done.out.find("report.html") != std::string::npos);
  const fs::path out = folder / "deep" / "out";
  const Json json = Json::parse(read_bytes(out / "report.json"));
  CHECK(json["schema"] == 1);
  CHECK(json["metrics"]["fid"]["value"].get<double>() ==
        Approx(2.0).margin(0.6));  // 8 · 0.5² and sampling bias
  CHECK(json["metrics"]["fid"]["se"].get<double>() > 0.0);
  CHECK(json["metrics"]["fid"]["n"] == 300);
  CHECK(fs::exists(out / "report.html"));
  CHECK(fs::exists(out / "evaluate.yaml"));
  CHECK(std::distance(fs::directory_iterator(out), {}) == 3);  // no temporary file is left
}

TEST_CASE("onestep-evaluate measures what --metrics asks for") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 300, 8) + 0.5);
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 400, 8));
  const test::Said done = evaluate_app(pair(a, b, folder / "out") + " --metrics recall,kid");
  INFO(done.err);
  REQUIRE(done.code == 0);
  const Json metrics = Json::parse(read_bytes(folder / "out" / "report.json"))["metrics"];
  CHECK(metrics.size() == 3);  // FID is always there
  CHECK(metrics["kid"]["value"].get<double>() > 0.0);
  CHECK(metrics["recall"]["value"].get<double>() <= 1.0);
  const test::Said wrong = evaluate_app(pair(a, b, folder / "none") + " --metrics kid,recal");
  CHECK(wrong.code == 2);
  CHECK(wrong.err.find("did you mean 'recall'?") != std::string::npos);
  CHECK(test::lines_of(wrong.err) == 1);
  CHECK_FALSE(fs::exists(folder / "none"));
}

TEST_CASE("onestep-evaluate scores generators by a configuration, and its resolved form repeats it") {
  const TemporaryFolder folder;
  write_bytes(folder / "toy.yaml", toy_config(folder));
  const test::Said done = evaluate_app((folder / "toy.yaml").string() + " images=40 threads=1");
  REQUIRE(done.code == 0);
  CHECK(done.err.find("toy: images") != std::string::npos);  // progress
  const Json first = Json::parse(read_bytes(folder / "out" / "report.json"));
  CHECK(first["subjects"].size() == 3);
  CHECK(first["metrics"]["fid"]["n"] == 40);
  CHECK(first["verdict"]["baseline"] == "real");
  const test::Said again =
      evaluate_app((folder / "out" / "evaluate.yaml").string() + " --out " + (folder / "again").string());
  REQUIRE(again.code == 0);
  CHECK(Json::parse(read_bytes(folder / "again" / "report.json"))["metrics"] == first["metrics"]);
}

TEST_CASE("onestep-evaluate scores a generator without a configuration") {
  const TemporaryFolder folder;
  const std::string model = toy_generator(folder).string(), data = named_images(folder, 300);
  const std::string sources = "--generated " + model + " --reference " + data + " --features pixels";
  const test::Said done = evaluate_app(sources + " --seeds 100-259 --out " + (folder / "out").string());
  INFO(done.err);
  REQUIRE(done.code == 0);
  const Json report = report_in(folder / "out");
  CHECK(report["title"] == "generator8");
  CHECK(report["features"]["kind"] == "pixels");
  CHECK(report["metrics"]["fid"]["n"] == 160);
  CHECK(report["metrics"]["fid"]["reference_n"] == 300);
  CHECK(report["provenance"]["config"]["first_seed"] == 100);

  // Against itself with the same seeds the gap is 0, and its paired error too.
  const test::Said twice = evaluate_app(sources + " --seeds 100-259 --baseline " + model + " --out " +
                                        (folder / "twice").string());
  REQUIRE(twice.code == 0);
  const Json verdict = report_in(folder / "twice")["verdict"];
  CHECK(verdict["paired"] == true);
  CHECK(verdict["gap"] == 0.0);
  CHECK(verdict["se"].get<double>() == Approx(0.0).margin(1e-12));
  CHECK(verdict["baseline"] == "generator8 (2)");
}

TEST_CASE("onestep-evaluate tells FID of every set of seeds") {
  const TemporaryFolder folder;
  const std::string sources = "--generated " + toy_generator(folder).string() + " --reference " +
                              named_images(folder, 300) + " --features pixels --out ";
  write_bytes(folder / "sets.yaml", "");
  REQUIRE(evaluate_app(sources + (folder / "first").string() + " --seeds 0-99").code == 0);
  REQUIRE(evaluate_app(sources + (folder / "second").string() + " --seeds 100-199").code == 0);
  // The configuration of the first, with two sets.
  REQUIRE(evaluate_app((folder / "first" / "evaluate.yaml").string() + " seed_sets=2 --out " +
                       (folder / "both").string())
              .code == 0);
  const Json sets = report_in(folder / "both")["metrics"]["fid"]["seed_sets"];
  const double a = report_in(folder / "first")["metrics"]["fid"]["value"],
               b = report_in(folder / "second")["metrics"]["fid"]["value"];
  REQUIRE(sets["sets"].size() == 2);
  CHECK(sets["sets"][0]["value"] == a);
  CHECK(sets["sets"][1]["value"] == b);
  CHECK(sets["sets"][1]["first_seed"] == 100);
  CHECK(sets["min"] == std::min(a, b));
  CHECK(sets["mean"].get<double>() == Approx((a + b) / 2));
  CHECK(sets["sd"].get<double>() == Approx(std::abs(a - b) / std::sqrt(2.0)));
}

TEST_CASE("onestep-evaluate --fail-above ends with code 5, after the report") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 300, 8) + 0.5);
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 400, 8));
  const test::Said bad = evaluate_app(pair(a, b, folder / "bad") + " --fail-above 1");
  CHECK(bad.code == 5);
  CHECK_THAT(bad.err, Catch::Contains("of a is above 1"));
  CHECK(fs::exists(folder / "bad" / "report.html"));
  CHECK(evaluate_app(pair(a, b, folder / "good") + " --fail-above 9").code == 0);
}

TEST_CASE("onestep-evaluate draws the trend of a run") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::create_directories(run / "models");
  fs::copy_file(toy_generator(folder), run / "model.safetensors");
  fs::copy_file(toy_generator(folder), run / "models" / "000000002000.safetensors");
  fs::copy_file(toy_generator(folder), run / "models" / "000000000500.safetensors");
  write_bytes(run / "models" / "notes.txt", "no model");
  const std::string rest =
      " --reference " + named_images(folder, 300) + " --features pixels --seeds 0-99 --out ";
  const test::Said done = evaluate_app("--trend " + run.string() + rest + (folder / "out").string());
  INFO(done.err);
  REQUIRE(done.code == 0);
  const Json report = report_in(folder / "out");
  REQUIRE(report["trend"].size() == 2);
  CHECK(report["trend"][0]["nimg"] == 500);
  CHECK(report["trend"][1]["nimg"] == 2000);
  CHECK(report["trend"][1]["value"] == report["metrics"]["fid"]["value"]);  // the same model, the same seeds
  fs::remove_all(run / "models");
  const test::Said none = evaluate_app("--trend " + run.string() + rest + (folder / "none").string());
  CHECK(none.code == 3);
  CHECK_THAT(none.err, Catch::Contains("run.model_images"));
}

TEST_CASE("onestep-evaluate stats writes a reference that the next evaluation reads") {
  const TemporaryFolder folder;
  const std::string data = named_images(folder, 300), model = toy_generator(folder).string();
  const test::Said done =
      evaluate_app("stats " + data + " --features pixels --out " + (folder / "reference.npz").string());
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.out, Catch::Contains("300 samples, 64 features"));
  const std::string rest = " --features pixels --seeds 0-159 --out ";
  REQUIRE(
      evaluate_app("--generated " + model + " --reference " + data + rest + (folder / "a").string()).code ==
      0);
  REQUIRE(evaluate_app("--generated " + model + " --reference " + (folder / "reference.npz").string() + rest +
                       (folder / "b").string())
              .code == 0);
  const Json a = report_in(folder / "a")["metrics"]["fid"], b = report_in(folder / "b")["metrics"]["fid"];
  CHECK(b["value"].get<double>() == Approx(a["value"].get<double>()).epsilon(1e-9));
  CHECK(b["se"].get<double>() == Approx(a["se"].get<double>()).epsilon(1e-9));
  CHECK(evaluate_app("stats " + data + " --out " + (folder / "x.npz").string()).code == 2);  // no features
  CHECK(evaluate_app("stats " + (folder / "none.zip").string() + " --features pixels --out " +
                     (folder / "x.npz").string())
            .code == 3);
  CHECK_FALSE(fs::exists(folder / "x.npz"));
}

TEST_CASE("onestep-evaluate --seeds is of models; sets of files are scored whole") {
  const TemporaryFolder folder;
  const std::string images = named_images(folder, 300), out = (folder / "out").string();
  const std::string sources = "--generated " + toy_generator(folder).string() + " --baseline " + images +
                              " --reference " + images + " --features pixels --out " + out;
  REQUIRE(evaluate_app(sources + " --seeds 0-99").code == 0);
  const Json report = report_in(out);
  CHECK(report["metrics"]["fid"]["n"] == 100);
  CHECK(report["metrics"]["fid"]["reference_n"] == 300);
  CHECK(report["subjects"][1]["metrics"]["fid"]["n"] == 300);
  for (const std::string seeds : {"0,5,5,3", "0,5,2", "0-4,5-9", "''", "5-3", "1-"}) {
    CAPTURE(seeds);
    const test::Said said = evaluate_app(sources + " --seeds " + seeds);
    CHECK(said.code == 2);
    CHECK_THAT(said.err, Catch::Contains("seeds"));
    CHECK(test::lines_of(said.err) == 1);
  }
}

TEST_CASE("onestep-evaluate warns of a small reference in the terminal and in report.json") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 400, 16));
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 2, 16));
  const test::Said done = evaluate_app(pair(a, b, folder / "out"));
  CHECK(done.code == 0);
  const std::string warning = "reference: 2 samples in 16 dimensions. The covariance is singular";
  CHECK_THAT(done.err, Catch::Contains(warning));
  CHECK_THAT(report_in(folder / "out")["warnings"].dump(), Catch::Contains(warning));
  const test::Said stats = evaluate_app("stats " + b.string() + " --out " + (folder / "b.npz").string());
  CHECK(stats.code == 0);
  CHECK_THAT(stats.err, Catch::Contains("2 samples in 16 dimensions"));
}

TEST_CASE("onestep-evaluate tells a set from itself by no difference at all") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 400, 16) * 1.1 + 0.1);
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 500, 16));
  const test::Said same = evaluate_app(pair(a, a, folder / "same") + " --baseline " + b.string());
  REQUIRE(same.code == 0);
  const Json report = report_in(folder / "same");
  CHECK(report["metrics"]["fid"]["value"] == 0.0);
  CHECK(report["metrics"]["fid"]["se"] == 0.0);
  CHECK(report["directions"].empty());
  const test::Said twice = evaluate_app(pair(a, a, folder / "twice") + " --baseline " + a.string());
  REQUIRE(twice.code == 0);
  CHECK(report_in(folder / "twice")["verdict"]["outcome"] == "inconclusive");
}

}  // namespace
}  // namespace onestep
