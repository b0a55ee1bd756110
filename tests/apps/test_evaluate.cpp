// SPDX-License-Identifier: Apache-2.0
// onestep-evaluate as a user meets it: exit codes, one clear line for each bad input, and its files.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "evaluation/toys.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

test::Said evaluate_app(const std::string& arguments) {
  return test::run_command("onestep-evaluate " + arguments);
}

fs::path write_features(const TemporaryFolder& folder, const std::string& name, const at::Tensor& array) {
  io::write_safetensors(folder / name, {{"features", array}});
  return folder / name;
}

std::string pair(const fs::path& generated, const fs::path& reference, const fs::path& out) {
  return "--generated-features " + generated.string() + " --reference-features " + reference.string() +
         " --out " + out.string();
}

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

TEST_CASE("onestep-evaluate refuses bad input with one line") {
  const TemporaryFolder folder;
  const auto good = write_features(folder, "good.safetensors", normal_features(1, 50, 4));
  const auto refused = [&](const std::string& arguments, int code, const std::string& why) {
    CAPTURE(arguments);
    const test::Said ended = evaluate_app(arguments);
    CHECK(ended.code == code);
    // The last line and no other; lines of progress may come before.
    const size_t message = ended.err.find("onestep-evaluate: ");
    REQUIRE(message != std::string::npos);
    CHECK_THAT(ended.err.substr(message), Catch::Contains(why));
    CHECK(ended.err.find('\n', message) == ended.err.size() - 1);
    CHECK_FALSE(fs::exists(folder / "out" / "report.json"));
    CHECK_FALSE(fs::exists(folder / "out" / "report.html"));
  };
  const fs::path out = folder / "out";
  const auto bad_file = [&](const fs::path& file, const std::string& why) {
    refused(pair(file, good, out), 3, file.string() + ": " + why);
    refused(pair(good, file, out), 3, file.string() + ": " + why);
  };
  bad_file(folder / "none.npz", "");
  bad_file(folder / "none.safetensors", "");
  bad_file(write_features(folder, "text.txt", at::ones({5, 4})),
           "features are read from .npz or .safetensors");
  bad_file(write_features(folder, "rank.safetensors", at::ones({50})),
           "array 'features' must have shape [N, d]");
  bad_file(write_features(folder, "whole.safetensors", at::ones({50, 4}, at::kInt)),
           "array 'features' must be float32");
  bad_file(write_features(folder, "one.safetensors", at::ones({1, 4})),
           "array 'features' needs at least 2 rows");
  at::Tensor nan = normal_features(1, 50, 4);
  nan[17][2] = std::numeric_limits<double>::quiet_NaN();
  bad_file(write_features(folder, "nan.safetensors", nan),
           "array 'features' holds NaN or infinity, first in row 17");
  io::write_safetensors(folder / "names.safetensors", {{"feature", normal_features(1, 50, 4)}});
  bad_file(folder / "names.safetensors", "");
  write_bytes(folder / "torn.npz",
              read_bytes(std::string(ONESTEP_GOLDEN) + "/evaluation/features.npz").substr(0, 150));
  bad_file(folder / "torn.npz", "");
  refused(pair(write_features(folder, "wide.safetensors", normal_features(1, 50, 5)), good, out), 3,
          "wide.safetensors: features have 5 dimensions, those of the reference");
  refused(pair(write_features(folder, "huge.safetensors", normal_features(1, 50, 4) * 1e200), good, out), 4,
          "huge.safetensors: features are too large");
  write_bytes(folder / "file", "");
  refused(pair(good, good, folder / "file" / "out"), 3, "file/out");

  refused("", 2, "nothing to score");
  refused("--generated-features " + good.string(), 2, "given together");
  refused("--generated-features " + good.string() + " --reference-features " + good.string(), 2, "--out");
  refused((folder / "none.yaml").string(), 2, "none.yaml");
  refused("--frobnicate", 2, "frobnicate");
  const std::string yaml = (folder / "toy.yaml").string();
  write_bytes(yaml, toy_config(folder));
  refused(yaml + " image=3", 2, "images");  // did you mean
  refused(yaml + " images=1", 2, "images");
  refused(yaml + " baseline=nobody", 2, "no subject is called 'nobody'");
  refused(yaml + " device=tpu", 2, "device 'tpu'");
  refused(yaml + " subjects.0.path=" + (folder / "none.safetensors").string(), 3, "none.safetensors");
  refused(yaml + " features.model=" + (folder / "none.safetensors").string(), 3, "none.safetensors");
  refused(yaml + " features.model=" + good.string(), 3, "good.safetensors");
  refused(yaml + " subjects.0.path=" + toy_generator(folder, 4).string(), 3,
          "generator4.safetensors: images are 1x4x4");
  refused(yaml + " subjects.0.sampler.solver=hein", 2, "hein");
  refused(yaml + " " + pair(good, good, out), 2, "exclude each other");
}

TEST_CASE("onestep-evaluate --dry-run and --help-config write nothing") {
  const TemporaryFolder folder;
  write_bytes(folder / "toy.yaml", toy_config(folder));
  const test::Said plan = evaluate_app((folder / "toy.yaml").string() + " --dry-run");
  CHECK(plan.code == 0);
  CHECK_THAT(plan.out, Catch::Contains("batch: 16") && Catch::Contains("100 images to draw"));
  CHECK_FALSE(fs::exists(folder / "out"));
  const test::Said help = evaluate_app("--help-config");
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Catch::Contains("subjects.N.path") && Catch::Contains("baseline"));
  CHECK(evaluate_app("--version").code == 0);
}

TEST_CASE("onestep-evaluate stopped by a signal leaves no report") {
  const TemporaryFolder folder;
  write_bytes(folder / "toy.yaml", toy_config(folder));
  // Enough work for minutes; signals are caught by the time that the folder is there.
  const test::Said cut = test::run_interrupted(
      "onestep-evaluate " + (folder / "toy.yaml").string() + " images=2000000 subjects.0.sampler.steps=100",
      "INT", [&] { return fs::exists(folder / "out"); });
  CHECK(cut.code == 130);
  CHECK(fs::is_empty(folder / "out"));
  CHECK_THAT(cut.err, Catch::Contains("interrupted; no report was written"));
}

}  // namespace
}  // namespace onestep
