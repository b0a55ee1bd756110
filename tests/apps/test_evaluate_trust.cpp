// SPDX-License-Identifier: Apache-2.0
// onestep-evaluate on bad input and bad days: exit codes, one clear line, nothing lost.
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

TEST_CASE("onestep-evaluate's numbers have a range that is told in a few words") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 50, 4));
  for (const std::string bad :
       {"--fail-above nan", "--fail-above -1", "--fail-above inf", "--fail-above x", "--batch 0",
        "--batch -3", "--batch 1048576", "--threads 1025", "--threads -1"}) {
    CAPTURE(bad);
    const test::Said said = evaluate_app(pair(a, a, folder / "out") + " " + bad);
    CHECK(said.code == 2);
    CHECK_THAT(said.err, Catch::Contains(bad.substr(0, bad.find(' '))));
    CHECK(said.err.size() < 120);
    CHECK_FALSE(fs::exists(folder / "out"));
  }
}

TEST_CASE("onestep-evaluate expands no ~, in an option, a configuration or an override") {
  const TemporaryFolder folder;
  const std::string good = write_features(folder, "a.safetensors", normal_features(1, 50, 4)).string();
  const auto refused = [&](const std::string& arguments, const std::string& key) {
    CAPTURE(arguments);
    const test::Said said = evaluate_app(arguments, "");
    CHECK(said.code == 2);
    CHECK_THAT(said.err, Catch::Contains(key) && Catch::Contains("~ is not expanded here"));
  };
  for (const std::string option :
       {"--generated", "--reference", "--baseline", "--trend", "--features", "--cache", "--out"})
    refused(option + "='~/x.npz'", option);
  refused("--features='classifier:~/c.safetensors'", "--features");
  refused("stats '~/images' --out x.npz", "source");
  write_bytes(folder / "e.yaml", "{out: o, subjects: [{kind: features, name: a, path: " + good +
                                     "}], reference: {kind: features, path: " + good + "}}");
  const std::string yaml = (folder / "e.yaml").string();
  refused(yaml + " 'out=~/o'", "out");
  refused(yaml + " 'reference.path=~'", "reference.path");
  refused(yaml + " 'subjects.0.path=~root/x'", "subjects.0.path");
  refused(yaml + " 'features.model=~/c'", "features.model");
  refused(yaml + " 'trend=~/c'", "trend");
}

TEST_CASE("onestep-evaluate shows a name that a terminal would obey, and what cannot be read, as text") {
  const TemporaryFolder folder;
  const std::string name = GENERATE(as<std::string>{}, "x\x1b[31mRED\x1b]0;owned\x07", "a\nb", "caf\xe9",
                                    "a\xe2\x80\xaetxt", "a\xc2\x9b\x33\x31m");
  const std::string file =
      "'" + write_features(folder, name + ".safetensors", normal_features(1, 50, 4)).string() + "'";
  const std::string gone = "'" + (folder / (name + ".npz")).string() + "'";
  const fs::path out = folder / "out";
  const test::Said said = evaluate_app(pair(file, file, out)), missing = evaluate_app(pair(gone, file, out));
  INFO(said.err);
  REQUIRE(said.code == 0);
  CHECK(missing.code == 3);
  CHECK_THAT(missing.err,
             Catch::Contains("No such file"));  // a line end in the name does not hide the reason
  for (const std::string& text : {said.out, said.err, missing.err, read_bytes(out / "report.json"),
                                  read_bytes(out / "report.html"), read_bytes(out / "evaluate.yaml")})
    CHECK(text.find(name) == std::string::npos);
  CHECK(Json::parse(read_bytes(out / "report.json"))["title"].is_string());
}

TEST_CASE("onestep-evaluate's table, plan and help that cannot be told are an error") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 50, 4));
  for (const std::string& arguments : {pair(a, a, folder / "out"), pair(a, a, folder / "out") + " --dry-run",
                                       std::string("--help-config"), std::string("--help")}) {
    CAPTURE(arguments);
    CHECK(test::run_command("onestep-evaluate " + arguments + " >/dev/full #").code == 3);
  }
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
  bad_file(write_features(folder, "text.txt", at::ones({5, 4})), "is none of");
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

  fs::create_directories(folder / "set");
  write_bytes(folder / "set" / "dataset.json", R"({"labels": null, "x": 1e999})");
  io::write_png(folder / "set" / "0.png", at::ones({1, 4, 4}, at::kByte));
  refused("stats " + (folder / "set").string() + " --features pixels --out " + (folder / "x.npz").string(), 3,
          "set/dataset.json: ");

  refused("", 2, "nothing to score");
  refused("--generated-features " + good.string(), 2, "given together");
  refused("--generated-features " + good.string() + " --reference-features " + good.string(), 2, "--out");
  refused("--generated " + toy_generator(folder).string() + " --reference " + good.string() + " --out " +
              out.string(),
          2, "features.model");
  refused(pair(good, good, out) + " --seeds 1,5", 2, "--seeds: expected one range");
  refused(pair(good, good, out) + " --protocol edn", 2, "edn");
  refused(pair(good, good, out) + " --features vgg", 2, "--features: expected");
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

TEST_CASE("onestep-evaluate finds what it cannot write before the work") {
  const TemporaryFolder folder;
  const std::string data = named_images(folder, 300);
  const auto stats = [&](const fs::path& out) {
    const test::Said said = evaluate_app("stats " + data + " --features pixels --out " + out.string());
    CHECK(said.code == 3);
    CHECK(test::lines_of(said.err) == 1);  // no line of progress: no work
    return said.err;
  };
  CHECK_THAT(stats(folder / "s.txt"), Catch::Contains("s.txt: statistics are .npz or .safetensors files"));
  CHECK_THAT(stats(folder / "new" / "s.npz"), Catch::Contains("s.npz: cannot be written: No such file"));
  fs::create_directories(folder / "folder.npz");
  CHECK_THAT(stats(folder / "folder.npz"), Catch::Contains("is not a regular file"));
  fs::create_directories(folder / "out" / "report.html");
  const test::Said report = evaluate_app("--generated " + data + " --reference " + data +
                                         " --features pixels --out " + (folder / "out").string());
  CHECK(report.code == 3);
  CHECK(test::lines_of(report.err) == 1);
  CHECK_THAT(report.err, Catch::Contains("report.html: cannot be written"));
}

TEST_CASE("onestep-evaluate leaves an old report whole on a full disk") {
  const TemporaryFolder folder;
  const auto a = write_features(folder, "a.safetensors", normal_features(1, 300, 4));
  const auto b = write_features(folder, "b.safetensors", normal_features(2, 300, 4));
  const fs::path out = folder / "out";
  REQUIRE(evaluate_app(pair(a, b, out)).code == 0);
  const std::string yaml = read_bytes(out / "evaluate.yaml"), html = read_bytes(out / "report.html");
  const FileSizeLimit limit(html.size() / 2);  // what a full disk is to a process
  const test::Said full = evaluate_app(pair(b, a, out));
  CHECK(full.code == 3);
  CHECK(read_bytes(out / "evaluate.yaml") == yaml);
  CHECK(read_bytes(out / "report.html") == html);
  CHECK(std::distance(fs::directory_iterator(out), {}) == 3);
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
  const test::Said cut =
      test::run_interrupted("onestep-evaluate --no-cache " + (folder / "toy.yaml").string() +
                                " images=2000000 subjects.0.sampler.steps=100",
                            "INT", [&] { return fs::exists(folder / "out"); });
  CHECK(cut.code == 130);
  CHECK(fs::is_empty(folder / "out"));
  CHECK_THAT(cut.err, Catch::Contains("interrupted; no report was written"));
}

}  // namespace
}  // namespace onestep
