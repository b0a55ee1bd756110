// SPDX-License-Identifier: Apache-2.0
// onestep-train as a user meets it: exit codes, one clear line for each bad input, nothing lost.
#include <algorithm>

#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "command.h"
#include "io/safetensors.h"

using namespace onestep;
using test::run_command;
using test::Said;
namespace fs = std::filesystem;

namespace {

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// A labelled set of forty 8×8 images in two idx files, and an experiment on it.
struct Experiment {
  TemporaryFolder folder;
  fs::path config = folder / "teacher.yaml";

  explicit Experiment(const std::string& more = "") {
    std::string pixels, labels;
    for (int i = 0; i < 40 * 64; ++i) pixels += static_cast<char>(i * 7 % 256);
    for (int i = 0; i < 40; ++i) labels += static_cast<char>(i % 2);
    write_bytes(folder / "images",
                big_endian(0x803) + big_endian(40) + big_endian(8) + big_endian(8) + pixels);
    write_bytes(folder / "labels", big_endian(0x801) + big_endian(40) + labels);
    write_config(
        config,
        "{kind: denoise, network: {kind: song_unet, img_resolution: 8, img_channels: 1, label_dim: 2, "
        "model_channels: 8, channel_mult: [1, 1], num_blocks: 1, attn_resolutions: []}" +
            more + "}");
  }
  void write_config(const fs::path& path, const std::string& task) const {
    write_bytes(path, "run: {dir: " + (folder / "run").string() +
                          ", images: 640, batch: 16, threads: 1}\n"
                          "data: {kind: idx, classes: 2, images: " +
                          (folder / "images").string() + ", labels: " + (folder / "labels").string() +
                          "}\ntask: " + task + "\n");
  }
  Said distil(const fs::path& teacher) const {
    write_config(folder / "student.yaml",
                 "{kind: distil, teacher: " + teacher.string() + ", divergence: {name: reverse_kl}}");
    return run_command("onestep-train " + (folder / "student.yaml").string() +
                       " run.dir=" + (folder / "student").string());
  }
  Said train(const std::string& arguments = "") const {
    return run_command("onestep-train " + config.string() + " " + arguments);
  }
};

void check_refused(const Said& said, int code, const std::vector<std::string>& words) {
  CHECK(said.code == code);
  INFO(said.err);
  CHECK(test::lines_of(said.err) == 1);
  for (const std::string& word : words) CHECK_THAT(said.err, Catch::Contains(word));
}

}  // namespace

TEST_CASE(
    "A run leaves its configuration, log, checkpoints, samples and model; a second one has nothing to do") {
  const Experiment experiment;
  const Said said = experiment.train();
  REQUIRE(said.code == 0);
  for (const char* name : {"config.yaml", "log.jsonl", "model.safetensors", "samples/000000000640.png",
                           "checkpoints/000000000640.safetensors"}) {
    INFO(name);
    CHECK(fs::exists(experiment.folder / ("run/" + std::string(name))));
  }
  CHECK_THAT(said.err, Catch::Contains("images/s") && Catch::Contains("loss"));
  const Said again = experiment.train();
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Catch::Contains("already finished") && !Catch::Contains("wrote"));
}

TEST_CASE("A run may be moved, called otherwise, and given other threads; each is told in one line") {
  const Experiment experiment;
  const std::string run = (experiment.folder / "run").string(),
                    moved = (experiment.folder / "moved").string();
  REQUIRE(experiment.train("run.images=320 run.checkpoint_images=160").code == 0);
  const Said same = experiment.train("run.images=320 run.checkpoint_images=160 run.dir=" + run + "/./");
  CHECK(same.code == 0);
  CHECK_THAT(same.err, Catch::Contains("already finished") && !Catch::Contains("changes"));
  fs::rename(run, moved);
  fs::remove(moved + "/checkpoints/000000000320.safetensors");
  const Said on = experiment.train("run.images=320 run.threads=2 run.keep_checkpoints=3 run.dir=" + moved);
  CHECK(on.code == 0);
  CHECK_THAT(on.err, Catch::Contains("resuming " + moved + " at 160 images") &&
                         Catch::Contains("run.threads was 1 and is 2"));
  CHECK_THAT(read_bytes(moved + "/log.jsonl"), Catch::Contains("\"run.threads\":[\"1\",\"2\"]"));
  CHECK_THAT(read_bytes(moved + "/config.yaml"), Catch::Contains("threads: 2"));
}

TEST_CASE("A longer run is the one that was longer from the start, or is told why it can't be") {
  const Experiment experiment, falling(", optimizer: {learning_rate: {decay: linear}}");
  const std::string whole = (experiment.folder / "whole").string();
  REQUIRE(experiment.train("run.images=320").code == 0);
  REQUIRE(experiment.train("run.images=640").code == 0);
  REQUIRE(experiment.train("run.images=640 run.dir=" + whole).code == 0);
  CHECK(read_bytes(experiment.folder / "run/checkpoints/000000000640.safetensors") ==
        read_bytes(whole + "/checkpoints/000000000640.safetensors"));
  check_refused(experiment.train("run.images=320"), 2, {"run.images", "has seen 640 images already"});
  REQUIRE(falling.train("run.images=320").code == 0);
  check_refused(falling.train("run.images=640"), 2,
                {"run.images was 320 and is 640", "task.optimizer.learning_rate.decay is linear"});
}

TEST_CASE("What a run was made from is known by its content; a finished model is never written over") {
  const Experiment experiment;
  REQUIRE(experiment.train("run.images=64").code == 0);
  const fs::path teacher = experiment.folder / "run/model.safetensors",
                 copy = experiment.folder / "t.safetensors";
  fs::copy(teacher, copy);
  REQUIRE(experiment.distil(copy).code == 0);
  const fs::path student = experiment.folder / "student/model.safetensors";
  const std::string before = read_bytes(student);
  CHECK(experiment.distil(teacher).code == 0);  // the same bytes elsewhere
  REQUIRE(experiment
              .train("run.images=64 task.network.model_channels=16 run.dir=" +
                     (experiment.folder / "wider").string())
              .code == 0);
  fs::copy(experiment.folder / "wider/model.safetensors", copy, fs::copy_options::overwrite_existing);
  check_refused(experiment.distil(copy), 2,
                {"student: was made from another teacher", "then", "now", "t.safetensors"});
  CHECK(read_bytes(student) == before);

  std::string pixels = read_bytes(experiment.folder / "images");
  pixels.back() ^= 1;
  write_bytes(experiment.folder / "images", pixels);
  check_refused(experiment.train("run.images=64"), 2, {"run: was made from another data"});
}

TEST_CASE("A first start that failed leaves no run; scoring that does not fit is refused before it") {
  const Experiment experiment;
  CHECK(experiment.train("task.optimizer.learning_rate.peak=1.0e30 run.tick_images=16").code == 4);
  CHECK(experiment.train("run.images=64").code == 0);

  const Experiment scored;
  write_bytes(scored.folder / "judge.yaml",
              "run: {dir: " + (scored.folder / "judge").string() +
                  ", images: 32}\ndata: {kind: fashion_mnist, split: test, limit: 64}\n"
                  "task: {kind: classify, network: {img_resolution: 28, img_channels: 1, label_dim: 10, "
                  "channels: [4], feature_dim: 4}}\n");
  REQUIRE(run_command("onestep-train " + (scored.folder / "judge.yaml").string()).code == 0);
  check_refused(
      scored.train("'evaluation={every_images: 64, images: 20, features: {kind: classifier, model: " +
                   (scored.folder / "judge/model.safetensors").string() + "}}'"),
      2, {"evaluation.reference", "1x28x28", "1x8x8"});
  CHECK_FALSE(fs::exists(scored.folder / "run"));
}

TEST_CASE("Two trainings in one folder: the second is told who is there") {
  const Experiment experiment;
  const fs::path log = experiment.folder / "run/log.jsonl";
  Said second;
  const Said first = test::run_interrupted(
      "onestep-train " + experiment.config.string() + " run.images=1000000 run.tick_images=100", "HUP", [&] {
        if (!fs::exists(log)) return false;
        second = experiment.train();
        return true;
      });
  check_refused(second, 3, {"run: is being trained by process "});
  CHECK(first.code == 129);  // a terminal that is closed costs nothing either
  CHECK_THAT(first.err, Catch::Contains("goes on from there"));
}

TEST_CASE("An override of a text key is taken as it stands, and ~ in any path is refused") {
  const Experiment experiment;
  CHECK_THAT(experiment.train("--dry-run 'run.dir=runs/try #2'").out,
             Catch::Contains("dir: \"runs/try #2\""));
  CHECK_THAT(experiment.train("--dry-run 'run.dir=@x'").out, Catch::Contains("dir: \"@x\""));
  check_refused(experiment.train("'run.images=64 #2'"), 2, {"run.images", "drops what stands behind '#'"});
  for (const char* key : {"run.dir", "data.images", "data.labels"})
    check_refused(experiment.train(std::string(key) + "='~/x'"), 2, {key, "~ is not expanded here"});
  check_refused(run_command("onestep-train '~/x.yaml'"), 2, {"config", "~ is not expanded here"});
  write_bytes(experiment.folder / "b.yaml", "base: ~/x.yaml");
  check_refused(run_command("onestep-train " + (experiment.folder / "b.yaml").string()), 2,
                {"b.yaml:1: base", "~ is not expanded here"});
  CHECK_FALSE(fs::exists("~"));
}

TEST_CASE("A plan or help that cannot be told is an error") {
  const Experiment experiment;
  for (const std::string& arguments :
       {experiment.config.string() + " --dry-run", std::string("--help-config")})
    CHECK(run_command("onestep-train " + arguments + " >/dev/full #").code == 3);
}

TEST_CASE("Numbers beyond float32 are refused by key and range") {
  const Experiment experiment;
  const auto [key, value, range] = GENERATE(table<std::string, std::string, std::string>(
      {{"task.preconditioning.sigma_data", "1e30", "[1e-09, 1e+09]"},
       {"task.optimizer.learning_rate.peak", "1e39", "3.4e38"},
       {"task.optimizer.eps", "1e39", "3.4e38"},
       {"task.optimizer.weight_decay", "1e300", "3.4e38"},
       {"task.ema.half_life_kimg", "1e300", "3.4e38"}}));
  check_refused(experiment.train(key + "=" + value), 2, {key, range});
}

TEST_CASE("The resolved configuration alone reproduces the run") {
  const Experiment experiment;
  REQUIRE(experiment.train("run.images=64").code == 0);
  const fs::path resolved = experiment.folder / "run/config.yaml";
  REQUIRE(
      run_command("onestep-train " + resolved.string() + " run.dir=" + (experiment.folder / "again").string())
          .code == 0);
  CHECK(read_bytes(experiment.folder / "run/checkpoints/000000000064.safetensors") ==
        read_bytes(experiment.folder / "again/checkpoints/000000000064.safetensors"));
}

TEST_CASE("SIGINT and SIGTERM end a run after a checkpoint, and it goes on to the same numbers") {
  for (const auto& [signal, code] : {std::pair("INT", 130), std::pair("TERM", 143)}) {
    const Experiment experiment;
    const fs::path whole = experiment.folder / "whole";
    REQUIRE(experiment.train("run.images=4000 run.dir=" + whole.string()).code == 0);
    const Said cut = test::run_interrupted(
        "onestep-train " + experiment.config.string() + " run.images=4000 run.tick_images=100", signal,
        [&] { return fs::exists(experiment.folder / "run/log.jsonl"); });
    CHECK(cut.code == code);
    CHECK_THAT(cut.err, Catch::Contains("goes on from there"));
    CHECK_FALSE(fs::exists(experiment.folder / "run/checkpoints/000000004000.safetensors"));
    REQUIRE(experiment.train("run.images=4000 run.tick_images=100").code == 0);
    const auto a = io::read_safetensors(whole / "checkpoints/000000004000.safetensors");
    const auto b = io::read_safetensors(experiment.folder / "run/checkpoints/000000004000.safetensors");
    REQUIRE(a.tensors.size() == b.tensors.size());
    for (const auto& [name, tensor] : a.tensors) {
      INFO(name);
      CHECK(tensor.equal(b.at(name)));
    }
  }
}

TEST_CASE("A dry run prints everything and writes nothing") {
  const Experiment experiment;
  const Said said = experiment.train("--dry-run task.optimizer.learning_rate.peak=0.25");
  CHECK(said.code == 0);
  CHECK_THAT(said.out, Catch::Contains("peak: 0.25") && Catch::Contains("parameters") &&
                           Catch::Contains("MiB") && Catch::Contains("MAC") &&
                           Catch::Contains("TFLOP an image, ") && Catch::Contains(" EFLOP the run"));
  CHECK(experiment.train("--dry-run run.device=cuda:99").code == 0);  // a plan for a machine elsewhere
  check_refused(experiment.train("run.device=cuda:99"), 2, {"cuda"});
  check_refused(experiment.train("--dry-run run.device=tpu"), 2, {"expected cpu, cuda or cuda:N"});
  CHECK_FALSE(fs::exists(experiment.folder / "run"));
  const Said help = run_command("onestep-train --help-config");
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Catch::Contains("run.images") && Catch::Contains("task.ratio.minimum"));
}

TEST_CASE("Bad configurations: one line with file, line, key, and what is near; exit 2") {
  const Experiment experiment;
  check_refused(experiment.train("run.imagse=5"), 2, {"run.imagse", "did you mean", "images"});
  check_refused(experiment.train("run.images=many"), 2, {"run.images", "many"});
  check_refused(experiment.train("run.batch=0"), 2, {"run.batch", ">= 1"});
  check_refused(experiment.train("task.kind=destil"), 2, {"task.kind", "distil"});
  check_refused(experiment.train("run.device=gpu"), 2, {"gpu"});
  check_refused(run_command("onestep-train"), 2, {"CONFIG"});
  check_refused(run_command("onestep-train nowhere.yaml"), 2, {"nowhere.yaml"});
  check_refused(Experiment(", wieghting: edm").train(), 2, {"teacher.yaml:3", "task.wieghting", "weighting"});
  check_refused(Experiment(", kind: classify").train(), 2, {"teacher.yaml:3", "kind"});
}

TEST_CASE("Bad files: one line with the file's name; exit 3") {
  const Experiment experiment;
  check_refused(experiment.train("data.images=/nowhere/images"), 3, {"/nowhere/images"});
  fs::resize_file(experiment.folder / "labels", 20);
  check_refused(experiment.train(), 3, {"labels"});
  const Experiment other;
  check_refused(other.train("run.dir=" + (other.folder / "images/run").string()), 3, {"images/run"});
  check_refused(other.distil(other.folder / "no.safetensors"), 3, {"no.safetensors"});
  write_bytes(other.folder / "torn.safetensors", "torn");
  check_refused(other.distil(other.folder / "torn.safetensors"), 3, {"torn.safetensors"});
}

TEST_CASE("A teacher for other images is refused with both shapes") {
  const Experiment experiment;
  REQUIRE(experiment.train("run.images=16").code == 0);
  std::string big =
      big_endian(0x803) + big_endian(40) + big_endian(16) + big_endian(16) + std::string(40 * 256, 'x');
  write_bytes(experiment.folder / "images", big);
  check_refused(experiment.distil(experiment.folder / "run/model.safetensors"), 2, {"1x8x8", "1x16x16"});
}

TEST_CASE("A resumed run refuses another configuration, and passes over a torn checkpoint") {
  const Experiment experiment;
  REQUIRE(experiment.train("run.images=320 run.checkpoint_images=160").code == 0);
  check_refused(experiment.train("run.images=320 run.checkpoint_images=160 run.seed=4"), 2, {"run.seed"});
  const fs::path last = experiment.folder / "run/checkpoints/000000000320.safetensors";
  const std::string before = read_bytes(last);
  fs::resize_file(last, fs::file_size(last) / 2);
  const Said resumed = experiment.train("run.images=320 run.checkpoint_images=160");
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.err, Catch::Contains("skipping a bad checkpoint") && Catch::Contains("at 160 images"));
  CHECK(read_bytes(last) == before);
  CHECK(fs::exists(last.string() + ".bad"));
}

TEST_CASE("A run of which every checkpoint is damaged is refused with exit 3; no file is touched") {
  const Experiment experiment;
  REQUIRE(experiment.train("run.images=32").code == 0);
  const fs::path last = experiment.folder / "run/checkpoints/000000000032.safetensors";
  const fs::path log = experiment.folder / "run/log.jsonl";
  const std::string lines = read_bytes(log), whole = read_bytes(last);
  write_bytes(last, whole.substr(0, 1000));
  check_refused(experiment.train("run.images=32"), 3, {"000000000032.safetensors", "choose another run.dir"});
  CHECK(read_bytes(last) == whole.substr(0, 1000));
  CHECK(read_bytes(log) == lines);
  write_bytes(last, whole);
  fs::rename(last, experiment.folder / "run/checkpoints/000000000064.safetensors");
  check_refused(experiment.train("run.images=32"), 3, {"000000000064.safetensors", "after 32 images"});
}

TEST_CASE("A full disk is one clear line; when there is room again the run goes on") {
  const Experiment experiment;
  REQUIRE(experiment
              .train("run.images=640 run.checkpoint_images=160 run.dir=" + (experiment.folder / "a").string())
              .code == 0);
  // Files may not grow beyond what the first checkpoint needs less a little: the shell's limit stands for the
  // disk.
  const auto kib = fs::file_size(experiment.folder / "a/checkpoints/000000000640.safetensors") / 1024 - 1;
  const std::string command = "sh -c 'ulimit -f " + std::to_string(2 * kib) + "; exec " + ONESTEP_BIN +
                              "/onestep-train " + experiment.config.string() + "' 2>" +
                              (experiment.folder / "err").string();
  const int status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 3);
  CHECK_THAT(read_bytes(experiment.folder / "err"), Catch::Contains("checkpoints/"));
  for (const auto& entry : fs::directory_iterator(experiment.folder / "run/checkpoints")) FAIL(entry.path());
  CHECK(experiment.train().code == 0);
}

TEST_CASE(
    "A run that has left its senses ends with code 4, naming the bound and a cure; its sheets do not end "
    "it") {
  const Experiment experiment;
  const Said said = experiment.train(
      "task.optimizer.learning_rate.peak=1.0e+30 run.max_skipped=7 run.snapshot_images=16 "
      "run.tick_images=16");
  CHECK(said.code == 4);
  INFO(said.err);
  CHECK_THAT(said.err, Catch::Contains("run.max_skipped is 7") && Catch::Contains("learning rate"));
  CHECK_THAT(said.err, Catch::Contains("no sample sheet after 16 images"));
  CHECK_FALSE(fs::exists(experiment.folder / "run/model.safetensors"));
}

TEST_CASE("A precision is resolved, said and kept; one that the device lacks is refused by its key") {
  const Experiment experiment;
  const Said said = experiment.train("run.precision=auto");
  REQUIRE(said.code == 0);
  CHECK_THAT(said.err, Catch::Contains("run.precision: "));
  CHECK_THAT(read_bytes(experiment.folder / "run/config.yaml"), !Catch::Contains("precision: auto"));
  // Another machine might have chosen otherwise: what a run began with stays.
  for (const std::string precision : {"bfloat16", "float32"}) {
    const std::string dir = " run.dir=" + (experiment.folder / precision).string();
    REQUIRE(experiment.train("run.precision=" + precision + dir).code == 0);
    CHECK(experiment.train("run.precision=auto" + dir).code == 0);
    CHECK_THAT(read_bytes(experiment.folder / (precision + "/config.yaml")),
               Catch::Contains("precision: " + precision));
    check_refused(
        experiment.train((precision == "float32" ? "run.precision=bfloat16" : "run.precision=float32") + dir),
        2, {"another configuration (run.precision)"});
  }
  check_refused(experiment.train("run.precision=tf32"), 2, {"run.precision", "tf32 is of CUDA devices"});
  check_refused(experiment.train("run.precision=float16"), 2, {"run.precision", "bfloat16"});
  CHECK_THAT(experiment.train("--dry-run run.precision=auto").out, !Catch::Contains("precision: auto"));
}
