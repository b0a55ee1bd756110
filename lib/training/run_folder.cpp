// SPDX-License-Identifier: Apache-2.0
#include "training/run_folder.h"

#include <cstdio>

#include "config/config.h"
#include "io/atomic_file.h"
#include "io/folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

void require_same_config(const fs::path& path, const std::string& resolved_yaml) {
  const auto differing =
      config::differences(config::load(path), config::parse(resolved_yaml, "the configuration given"));
  if (differing.empty()) return;
  std::string keys;
  for (const std::string& key : differing) keys += (keys.empty() ? "" : ", ") + key;
  throw config::ConfigError(path.string() + ": this folder holds a run with another configuration (" + keys +
                            "); choose another run.dir");
}

}  // namespace

std::string nimg_stem(int64_t nimg) {
  char stem[32];
  std::snprintf(stem, sizeof stem, "%012lld", static_cast<long long>(nimg));
  return stem;
}

RunFolder open_run_folder(const fs::path& root, const std::string& resolved_yaml) {
  RunFolder folder{root};
  io::make_folders(root);
  io::make_folders(folder.checkpoints());
  io::make_folders(folder.samples());
  if (io::path_exists(folder.config())) {
    require_same_config(folder.config(), resolved_yaml);
  } else {
    io::write_file_atomically(folder.config(), resolved_yaml);
  }
  return folder;
}

}  // namespace onestep
