// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <functional>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/node.h"
#include "temporary_folder.h"
#include "training/checkpoint.h"
#include "training/run_folder.h"

using namespace onestep;
namespace fs = std::filesystem;

namespace {

NamedTensors state_of(double value) {
  return {{"weights", at::full({100}, value)}, {"step", at::full({}, value)}};
}

fs::path file_of(const fs::path& folder, const std::string& nimg) {
  return folder / (std::string(12 - nimg.size(), '0') + nimg + ".safetensors");
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

TEST_CASE("A torn, rotten or foreign checkpoint is passed over for the one before") {
  const std::vector<std::function<void(const fs::path&)>> damages = {
      [](const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); },
      [](const fs::path& path) { fs::resize_file(path, 0); },
      [](const fs::path& path) {  // one bit of the data, which only the checksum can notice
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-7, std::ios::end);
        file.put('\x55');
      },
      [](const fs::path& path) {
        save_checkpoint(path.parent_path(), {{"weights", at::zeros({3})}}, 1000, 9);
      },
      [](const fs::path& path) { std::ofstream(path) << "not a checkpoint"; },
  };
  for (size_t i = 0; i < damages.size(); ++i) {
    INFO("damage " << i);
    const TemporaryFolder folder;
    save_checkpoint(folder.path(), state_of(900), 900, 9);
    save_checkpoint(folder.path(), state_of(1000), 1000, 9);
    damages[i](file_of(folder.path(), "1000"));
    NamedTensors state = state_of(0);
    CHECK(load_newest_checkpoint(folder.path(), state) == 900);
    CHECK(state[0].second.equal(at::full({100}, 900)));
  }
}

TEST_CASE("A checkpoint that can't be written is an error that names it") {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "in the way";
  CHECK_THROWS_AS(save_checkpoint(folder / "file", state_of(1), 1, 2), io::FileError);
}

TEST_CASE("A run folder keeps its configuration, and refuses another one by the keys' names") {
  const TemporaryFolder scratch;
  const RunFolder folder = open_run_folder(scratch / "a/b", "run: {seed: 1, batch: 32}\n");
  CHECK(fs::exists(folder.config()));
  CHECK(fs::is_directory(folder.checkpoints()));
  CHECK_NOTHROW(open_run_folder(scratch / "a/b", "run: {seed: 1, batch: 32}\n"));
  CHECK_THROWS_WITH(open_run_folder(scratch / "a/b", "run: {seed: 2, batch: 32}\n"),
                    Catch::Contains("run.seed") && !Catch::Contains("run.batch"));
  std::ofstream(scratch / "file") << "in the way";
  CHECK_THROWS_WITH(open_run_folder(scratch / "file/run", "run: {}\n"), Catch::Contains("can't be made"));
}
