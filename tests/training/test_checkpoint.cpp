// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <functional>
#include <unistd.h>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
#include "temporary_folder.h"
#include "training/checkpoint.h"

using namespace onestep;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

NamedTensors state_of(double value) {
  return {{"weights", at::full({100}, value)}, {"step", at::full({}, value)}};
}

fs::path file_of(const fs::path& folder, const std::string& nimg) {
  return folder / (std::string(12 - nimg.size(), '0') + nimg + ".safetensors");
}

/// What loading says while `path` has the permissions `mode`; root becomes nobody for it.
std::string refusal(const fs::path& folder, const fs::path& path, fs::perms mode) {
  const fs::perms before = fs::status(path).permissions();
  NamedTensors state = state_of(0);
  fs::permissions(path, mode);
  const bool root = ::geteuid() == 0;
  if (root) REQUIRE(::seteuid(65534) == 0);
  const std::string message = file_error([&] { load_newest_checkpoint(folder, state); });
  if (root) REQUIRE(::seteuid(0) == 0);
  fs::permissions(path, before);
  return message;
}

}  // namespace

TEST_CASE("The newest checkpoint comes back, and only the newest are kept") {
  const TemporaryFolder folder;
  NamedTensors state = state_of(0);
  CHECK_FALSE(load_newest_checkpoint(folder.path(), state).has_value());
  for (int64_t nimg : {64, 900, 1000}) save_checkpoint(folder.path(), state_of(nimg), nimg, 2);
  CHECK_FALSE(fs::exists(file_of(folder.path(), "64")));
  CHECK(fs::exists(file_of(folder.path(), "900")));
  CHECK(load_newest_checkpoint(folder.path(), state) == 1000);
  CHECK(state[0].second.equal(at::full({100}, 1000)));
  CHECK(state[1].second.item<double>() == 1000);
}

TEST_CASE("A damaged checkpoint is moved aside for the one before, and what is written next stays") {
  const std::vector<std::function<void(const fs::path&)>> damages = {
      [](const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); },
      [](const fs::path& path) { fs::resize_file(path, 0); },
      [](const fs::path& path) {  // one bit of the data, which only the checksum can notice
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-7, std::ios::end);
        file.put('\x55');
      },
      [](const fs::path& path) { io::write_safetensors(path, state_of(1000)); },  // a model, say
      [](const fs::path& path) {
        io::write_safetensors(path, state_of(1000), {{"onestep.nimg", "900"}});
      },
      [](const fs::path& path) { std::ofstream(path) << "not a checkpoint"; },
      [](const fs::path& path) {
        fs::remove(path);
        fs::create_directory(path);
      },
  };
  for (size_t i = 0; i < damages.size(); ++i) {
    INFO("damage " << i);
    const TemporaryFolder folder;
    const fs::path bad = file_of(folder.path(), "1000");
    NamedTensors state = state_of(0);
    save_checkpoint(folder.path(), state_of(900), 900, 9);
    for (const char* aside : {".bad", ".bad2"}) {  // twice: the first one is not written over
      save_checkpoint(folder.path(), state_of(1000), 1000, 9);
      damages[i](bad);
      CHECK(load_newest_checkpoint(folder.path(), state) == 900);
      CHECK(state[0].second.equal(at::full({100}, 900)));
      CHECK_FALSE(fs::exists(bad));
      CHECK(fs::exists(bad.string() + aside));
    }
    save_checkpoint(folder.path(), state_of(950), 950, 1);
    CHECK(load_newest_checkpoint(folder.path(), state) == 950);
    CHECK(folder.entries() == 3);
  }
}

TEST_CASE("What was just written stays, whatever lies beside it; what has a higher number does not count") {
  const TemporaryFolder folder;
  std::ofstream(file_of(folder.path(), "5000")) << "came here during the run";
  for (int64_t nimg : {64, 128, 192}) {
    save_checkpoint(folder.path(), state_of(static_cast<double>(nimg)), nimg, 1);
    CHECK(fs::exists(file_of(folder.path(), std::to_string(nimg))));
    CHECK(folder.entries() == 2);
  }
}

TEST_CASE("Checkpoints of which none can be used are an error that names the newest, and stay as they are") {
  const TemporaryFolder folder;
  NamedTensors state = state_of(0);
  const auto problem = [&] {
    const size_t entries = folder.entries();
    const std::string message = file_error([&] { load_newest_checkpoint(folder.path(), state); });
    CHECK(folder.entries() == entries);
    CHECK(state[0].second.equal(at::zeros({100})));
    return message;
  };
  for (const int64_t nimg : {900, 1000}) {
    save_checkpoint(folder.path(), state_of(1), nimg, 9);
    std::ofstream(file_of(folder.path(), std::to_string(nimg))) << "torn";
  }
  CHECK_THAT(problem(), Contains("1000.safetensors: is too short") && Contains("choose another run.dir"));
  CHECK(fs::exists(file_of(folder.path(), "1000")));

  // One that is sound but another run's: an older one that fits, or is damaged, does not matter.
  save_checkpoint(folder.path(), state_of(1), 1100, 9);
  const std::vector<std::pair<NamedTensors, std::string>> others = {
      {{{"weights", at::zeros({3})}, {"step", at::zeros({})}}, "'weights' is Float [3], not Float [100]"},
      {{{"weights", at::zeros({100}, at::kDouble)}, {"step", at::zeros({})}}, "'weights' is Double"},
      {{{"weights", at::zeros({100})}}, "no tensor 'step'"},
      {{{"weights", at::zeros({100})}, {"step", at::zeros({})}, {"more", at::zeros({})}}, "3 tensors, not 2"},
  };
  for (const auto& [other, words] : others) {
    save_checkpoint(folder.path(), other, 1200, 9);
    CHECK_THAT(problem(), Contains("1200.safetensors: does not fit this run") && Contains(words));
  }
}

TEST_CASE("A checkpoint or a folder that the system refuses is no damaged checkpoint") {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  const fs::path run = folder / "run", good = file_of(run, "1000");
  fs::create_directory(run);
  for (const int64_t nimg : {900, 1000}) save_checkpoint(run, state_of(static_cast<double>(nimg)), nimg, 9);
  const fs::perms readable = fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
  CHECK_THAT(refusal(run, run, fs::perms::none), Contains("run: cannot be listed: Permission denied"));
  CHECK_THAT(refusal(run, run, readable), Contains("1000.safetensors: Permission denied"));
  CHECK_THAT(refusal(run, good, fs::perms::none), Contains("1000.safetensors: Permission denied"));

  NamedTensors state = state_of(0);
  CHECK(load_newest_checkpoint(run, state) == 1000);
  fs::create_symlink(folder / "on a disk that is away", file_of(run, "2000"));
  CHECK_THAT(file_error([&] { load_newest_checkpoint(run, state); }),
             Contains("2000.safetensors: No such file"));
  CHECK_THAT(file_error([&] { load_newest_checkpoint(folder / "none", state); }),
             Contains("cannot be listed"));
  CHECK(std::distance(fs::directory_iterator(run), {}) == 3);
}

TEST_CASE("A checkpoint that can't be written is an error that names it") {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "in the way";
  CHECK_THROWS_AS(save_checkpoint(folder / "file", state_of(1), 1, 2), io::FileError);
}

TEST_CASE("What could be loaded is never removed in favour of what can't") {
  const TemporaryFolder folder;
  for (const int64_t nimg : {100, 200, 300, 400})
    save_checkpoint(folder.path(), state_of(static_cast<double>(nimg)), nimg, 9);
  fs::resize_file(folder / "000000000300.safetensors", 200);
  write_bytes(folder / "000000000350.safetensors", "");
  save_checkpoint(folder.path(), state_of(500), 500, 3);
  CHECK_FALSE(fs::exists(folder / "000000000100.safetensors"));
  for (const char* kept : {"200", "300", "350", "400", "500"})
    CHECK(fs::exists(folder / ("000000000" + std::string(kept) + ".safetensors")));
}
