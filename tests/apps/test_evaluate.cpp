// SPDX-License-Identifier: Apache-2.0
// onestep-evaluate as a user meets it: exit codes, one clear line for each bad input, and its files.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "evaluation/toys.h"
#include "io/file_size_limit.h"
#include "io/image.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Without a cache: the user's own is none of a test's business.
test::Said evaluate_app(const std::string& arguments, const std::string& cache = "--no-cache") {
  return test::run_command("onestep-evaluate " + arguments + " " + cache);
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

Json report_in(const fs::path& folder) {
  return Json::parse(read_bytes(folder / "report.json"));
}

/// The images of toy_dataset as idx files that are known by their names.
std::string named_images(const TemporaryFolder& folder, int64_t n) {
  toy_dataset(folder, n);
  const std::string set = (folder / ("set" + std::to_string(n))).string();
  fs::copy_file(set + "-images", set + "-images-idx3-ubyte");
  return set + "-images-idx3-ubyte";
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

/// The file with `from` in its header replaced by as many letters, as one from before the header had a
/// checksum.
void change_header(const fs::path& file, const std::string& from, const std::string& to) {
  std::string bytes = read_bytes(file);
  REQUIRE(from.size() == to.size());
  for (const std::string key : {"onestep.format", "onestep.crc32.header"})
    if (const size_t at = bytes.find(key); at != std::string::npos) bytes.replace(at, 7, "foreign");
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at))
    bytes.replace(at, from.size(), to);
  write_bytes(file, bytes);
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
