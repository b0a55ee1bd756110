// SPDX-License-Identifier: Apache-2.0
// Several ranks as a user meets them: --ranks, a launcher's variables, and what goes wrong with either.
#include <c10/util/Logging.h>  // before Catch: both have a CHECK
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "io/folder.h"
#include "io/jsonl.h"
#include "parallel/listen.h"
#include "sample_models.h"

using namespace onestep;
using Catch::Contains;
using test::lines_of;
using test::run_command;
using test::run_interrupted;
using test::Said;
namespace fs = std::filesystem;

namespace {

/// A training of points in eight shards a step. `long_one` lasts for a minute or more, if nobody stops it.
struct Points {
  TemporaryFolder folder;
  fs::path run = folder / "run";
  std::string config = (folder / "points.yaml").string();

  explicit Points(bool long_one = false) {
    write_bytes(
        config,
        "run: {dir: " + run.string() + ", images: " + (long_one ? "1000000" : "3200") +
            ", batch: 64, micro_batch: 8, checkpoint_images: 640, tick_images: 640, keep_checkpoints: 9}\n"
            "data: {kind: gaussian_mixture, weights: [1, 2], means: [[-1, 0], [1, 0.5]], stds: "
            "[[0.3], [0.5]], count: 512}\n"
            "task: {kind: denoise, network: {kind: mlp, dim: 2, width: 32, depth: 2}}\n");
  }
  std::string command(const std::string& more = "") const { return "onestep-train " + config + " " + more; }
  Said train(const std::string& more = "") const { return run_command(command(more)); }
  /// The newest checkpoint's name; "" where there is none.
  std::string newest() const {
    std::string name;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints", error))
      if (entry.path().extension() == ".safetensors") name = std::max(name, entry.path().stem().string());
    return name;
  }
  bool began() const { return !newest().empty(); }
  std::string checkpoint(const fs::path& dir) const {
    return read_bytes(dir / "checkpoints/000000003200.safetensors");
  }
};

/// A command as each rank of a launcher like torchrun, `more` for the last of them. What they say is in one
/// text.
struct Launched {
  std::vector<int> codes;
  std::string err;
};
Launched launch(int size, const std::string& command, const std::string& more = "") {
  const TemporaryFolder folder;
  const int socket = listen_at("127.0.0.1", 0);
  const std::string port = std::to_string(port_of_socket(socket));
  ::close(socket);
  std::string script = "cd " + folder.path().string() + "\n";
  for (int rank = 0; rank < size; ++rank) {
    const std::string r = std::to_string(rank), n = std::to_string(size);
    script += "(RANK=" + r + " WORLD_SIZE=" + n + " LOCAL_RANK=" + r + " LOCAL_WORLD_SIZE=" + n +
              " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + port + " " + fs::absolute(ONESTEP_BIN).string() + "/" +
              command + " " + (rank == size - 1 ? more : "") + " >out" + r + " 2>err" + r +
              "; echo $? >code" + r + ") &\n";
  }
  write_bytes(folder / "script", script + "wait\n");
  REQUIRE(std::system(("sh " + (folder / "script").string()).c_str()) == 0);
  Launched launched;
  for (int rank = 0; rank < size; ++rank) {
    launched.codes.push_back(std::stoi(read_bytes(folder / ("code" + std::to_string(rank)))));
    launched.err += read_bytes(folder / ("err" + std::to_string(rank)));
  }
  return launched;
}

/// A shell command that signals one of the ranks of a training: `which` is head or tail.
void signal_rank(const Points& points, const std::string& signal, const std::string& which) {
  const std::string children = "ps -o pid= --ppid $(pgrep -of '^" + std::string(ONESTEP_BIN) +
                               "/onestep-train " + points.config + "')";
  CHECK(std::system(("kill -" + signal + " $(" + children + " | " + which + " -n 1)").c_str()) == 0);
}

/// A long training of two ranks, of which `hurt` is called when it has made another checkpoint.
template <class Hurt>
Said hurt_ranks(const Points& points, const std::string& more, Hurt hurt) {
  std::jthread other([&, before = points.newest()] {
    for (int i = 0; i < 6000 && points.newest() == before; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    hurt();
  });
  return points.train("--ranks 2 " + more);
}

}  // namespace

TEST_CASE("--ranks trains to the bytes of one rank, and a run goes on with any number of them") {
  const Points points;
  const fs::path one = points.folder / "one", two = points.folder / "two";
  REQUIRE(points.train("run.dir=" + one.string()).code == 0);
  const Said said = points.train("--ranks 2 run.dir=" + two.string());
  REQUIRE(said.code == 0);
  CHECK(lines_of(said.err) == 2);  // one rank speaks
  CHECK(points.checkpoint(two) == points.checkpoint(one));
  const auto line = io::read_jsonl(two / "log.jsonl").back();
  CHECK((line.contains("communication_share") && line["communication_share"] > 0));
  CHECK_FALSE(io::read_jsonl(one / "log.jsonl").back().contains("communication_share"));
  fs::remove(two / "checkpoints/000000003200.safetensors");
  CHECK(points.train("--ranks 4 run.dir=" + two.string()).code == 0);
  CHECK(points.checkpoint(two) == points.checkpoint(one));
  CHECK_THAT(points.train("--ranks 2 run.dir=" + two.string()).err, Contains("already finished"));
}

TEST_CASE("The ranks of a launcher train together") {
  const Points points;
  REQUIRE(points.train("run.dir=" + (points.folder / "one").string()).code == 0);
  const Launched launched = launch(4, points.command());
  CHECK(launched.codes == std::vector<int>(4, 0));
  CHECK(points.checkpoint(points.run) == points.checkpoint(points.folder / "one"));
}

TEST_CASE("Ranks that cannot share a batch are told who can; nothing is written") {
  const Points points;
  const Said said = points.train("--ranks 3");
  CHECK(said.code == 2);
  CHECK(lines_of(said.err) == 1);
  CHECK_THAT(said.err,
             Contains("3 ranks cannot share a batch of 64 in shards of 8") && Contains("1, 2, 4, 8"));
  CHECK(points.train("--ranks 3 --dry-run").code == 2);
  CHECK(points.train("--ranks 4 --dry-run").code == 0);
  CHECK_FALSE(fs::exists(points.run));
}

TEST_CASE("What one rank alone was given is refused by rank and key, in one line; nothing is written") {
  const Points points;
  const auto refused = [&](const std::string& more, int code, const std::string& text) {
    INFO(more);
    const Launched launched = launch(2, points.command(), more);
    CHECK(launched.codes == std::vector<int>(2, code));
    CHECK(lines_of(launched.err) == 1);
    CHECK_THAT(launched.err, Contains(text));
    CHECK_FALSE(fs::exists(points.run));
  };
  refused("run.seed=7", 2, "rank 1 differs from rank 0 in run.seed (7, not 0)");
  refused("run.threads=2", 2, "run.threads (2, not 1)");
  refused("data.count=100", 2, "data (sha256)");
  refused("run.sead=7", 2, "[rank 1] onestep-train: command line: run.sead");
  refused("'data={kind: idx, images: none, labels: none}'", 3, "[rank 1] onestep-train: none");
  const Launched both = launch(2, points.command("run.sead=7"));
  CHECK(both.codes == std::vector<int>(2, 2));
  CHECK(lines_of(both.err) == 1);  // one says what all found
}

TEST_CASE("Half a launcher, a port that is taken, a store that is not there, and ranks of ranks: exit 2") {
  const Points points;
  const auto refused = [&](const std::string& variables, const std::string& more, int code,
                           const std::string& text) {
    const TemporaryFolder folder;
    const std::string err = (folder / "err").string();
    const int status = std::system(
        ("env " + variables + " " + ONESTEP_BIN + "/" + points.command(more) + " 2>" + err).c_str());
    CHECK(WEXITSTATUS(status) == code);
    CHECK(lines_of(read_bytes(err)) == 1);
    CHECK_THAT(read_bytes(err), Contains(text));
    CHECK_FALSE(fs::exists(points.run));
  };
  refused("RANK=0", "", 2, "WORLD_SIZE is not");
  refused("WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1", "", 2, "MASTER_PORT is not");
  const int taken = listen_at("127.0.0.1", 0);
  const std::string two = "WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" +
                          std::to_string(port_of_socket(taken));
  refused(two + " RANK=0", "", 2, "cannot listen at 127.0.0.1:");
  refused(two + " RANK=0", "--ranks 2", 2, "has started 2 ranks already");
  ::close(taken);
  refused(two + " RANK=1", "--rank-timeout 1", 2, "finds no store at 127.0.0.1:");
  refused(two + " RANK=0", "--rank-timeout 1", 6, "rank 1 of 2 did not come within 1 s");
}

TEST_CASE(
    "A rank that is killed ends the others with exit 6, the last checkpoint stays, and the run goes on") {
  for (const char* which : {"head", "tail"}) {
    const Points points(/*long_one=*/true);
    const Said said = hurt_ranks(points, "", [&] { signal_rank(points, "KILL", which); });
    CHECK(said.code == 6);
    CHECK_THAT(said.err, Contains("was killed by signal 9"));
    const Said again = hurt_ranks(points, "", [&] { signal_rank(points, "TERM", which); });
    CHECK(again.code == 143);
    CHECK_THAT(again.err, Contains("resuming") && Contains("stopped; the same command goes on"));
  }
}

TEST_CASE("A rank that hangs is lost when the time is over") {
  const Points points(/*long_one=*/true);
  const Said said = hurt_ranks(points, "--rank-timeout 6", [&] {
    signal_rank(points, "STOP", "tail");
    std::this_thread::sleep_for(std::chrono::seconds(9));
    signal_rank(points, "CONT", "tail");
  });
  CHECK(said.code == 6);
  CHECK_THAT(said.err, Contains("a rank was silent for longer than --rank-timeout allows"));
}

TEST_CASE("A signal to --ranks stops all ranks at one checkpoint; without it they stop by themselves") {
  for (const auto& [signal, code] : {std::pair{"INT", 130}, {"TERM", 143}, {"HUP", 129}, {"USR1", 138}}) {
    const Points points(/*long_one=*/true);
    const Said said = run_interrupted(points.command("--ranks 2"), signal, [&] { return points.began(); });
    INFO(signal);
    CHECK(said.code == code);
    CHECK_THAT(said.err, Contains("stopped; the same command goes on from there"));
  }
  const Points points(/*long_one=*/true);
  CHECK(run_interrupted(points.command("--ranks 2"), "KILL", [&] { return points.began(); }).code == 137);
  const std::string look = "pgrep -f 'onestep-trai[n] " + points.config + "' >/dev/null";
  for (int i = 0; i < 1000 && std::system(look.c_str()) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(std::system(look.c_str()) != 0);
}

TEST_CASE("Ranks draw the samples of one, whatever their number") {
  const test::Models models;
  for (const std::string& model : {models.unet, models.mixture}) {
    const auto draw = [&](const std::string& name, const std::string& more) {
      const Said said = models.sample(model + " --seeds 0-49 --raw " + models.path(name) + more);
      CHECK(said.code == 0);
      return read_bytes(models.path(name));
    };
    const std::string one = draw("one.safetensors", "");
    CHECK(draw("two.safetensors", " --ranks 2") == one);
    CHECK(draw("five.safetensors", " --ranks 5") == one);  // four passes of 16: one has nothing to do
  }
  const Said classes =
      models.sample(models.unet + " --class-grid 4 --grid-file " + models.path("grid.png") + " --ranks 2");
  CHECK(classes.code == 0);
  CHECK(test::json_of(models.path("grid.png.json"))["classes"].size() == 12);
  const Said missing = models.sample("none.safetensors --raw " + models.path("x") + " --ranks 3");
  CHECK(missing.code == 3);
  CHECK(lines_of(missing.err) == 1);
  CHECK_THAT(models.sample(models.mixture + " --compare euler --out " + models.path("c") + " --ranks 2").err,
             Contains("--compare is the work of one process"));
  CHECK_FALSE(fs::exists(models.path("c")));
}

TEST_CASE("Ranks evaluate to the numbers of one, from a cache or not") {
  const test::Models models;
  const TemporaryFolder folder;
  const auto statistics = [&](const std::string& name, const std::string& more) {
    const Said said = run_command(
        "onestep-evaluate stats " + models.unet + " --features pixels --seeds 0-149 --batch 40 --out " +
        (folder / name).string() + " --cache " + (folder / "cache").string() + more);
    INFO(said.err);
    CHECK(said.code == 0);
    return read_bytes(folder / name);
  };
  const std::string one = statistics("one.npz", " --no-cache");
  CHECK(statistics("two.npz", " --ranks 2 --no-cache") == one);
  CHECK(statistics("five.npz", " --ranks 5") == one);  // four batches: one rank has nothing to do
  CHECK(statistics("again.npz", " --ranks 3") == one);
  const auto report = [&](const std::string& name, const std::string& more) {
    const Said said = run_command(
        "onestep-evaluate --generated " + models.unet + " --reference " + (folder / "one.npz").string() +
        " --features pixels --seeds 150-299 --batch 40 --no-cache --out " + (folder / name).string() + more);
    INFO(said.err);
    CHECK(said.code == 0);
    nlohmann::json subject = test::json_of(folder / name / "report.json")["subjects"][0];
    for (const char* clock : {"seconds", "feature_seconds", "images_per_second"}) subject.erase(clock);
    return subject.dump();
  };
  CHECK(report("two", " --ranks 2") == report("one", ""));
  fs::remove_all(folder / "one.npz");
  const Said missing = run_command("onestep-evaluate --generated " + models.unet + " --reference " +
                                   (folder / "one.npz").string() + " --features pixels --ranks 2 --out " +
                                   (folder / "x").string());
  CHECK(missing.code == 3);
  CHECK(lines_of(missing.err) == 1);
}
