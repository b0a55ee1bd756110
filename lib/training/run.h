// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "io/lock_file.h"
#include "training/run_folder.h"

namespace onestep {

/// What a run is made from beside its configuration: a teacher, a classifier, the data. Its content counts,
/// not where it lies.
struct Source {
  std::string what;    ///< "teacher"
  std::string place;   ///< where it was found this time, for messages
  std::string sha256;  ///< of a file's bytes, or of a data set by content_sha256
};

/// What makes a run that run.
struct RunIdentity {
  config::Node configuration;  ///< as config::encode makes it of the whole experiment: with roles
  std::vector<Source> sources;
  std::string budget_problem;  ///< why run.images may not change; "" where it may grow
};

/// A run's folder, held by this process alone.
struct Run {
  RunFolder folder;
  io::LockFile lock;
  std::string yaml;                             ///< the whole configuration as it is now
  std::vector<config::Difference> changes;      ///< of keys that may change, since the run's last start
  std::map<std::string, std::string> metadata;  ///< of checkpoints and models: the sources
};

/// The keys under which checkpoints and models say how many images the run had seen, and its sources.
inline constexpr const char* kNimgKey = "onestep.nimg";
inline constexpr const char* kSourcesKey = "onestep.sources";

/// What a key such as "run.precision" was when the run in a folder was last started; nothing where there is
/// no run, or it is of a version without that key. Throws io::FileError and config::ConfigError for a
/// configuration that can't be read.
std::optional<std::string> value_in_run(const std::filesystem::path& root, const std::string& key);

/// Makes the folder, or finds there the run that `identity` describes: one with the same values of all keys
/// that change the numbers, and the same sources by content. A folder is a run's once it holds a checkpoint
/// or a model. Only the folders, the lock and the removal of what a killed process left half-written are done
/// here; begin_run does the rest.
///
/// Throws config::ConfigError where the folder holds another run, naming keys or both hashes, and
/// io::FileError where another process holds it (naming that), or the system refuses.
Run open_run(const std::filesystem::path& root, const RunIdentity& identity);

/// Writes the configuration into the folder of a run that goes on at `nimg`; says on the terminal and in the
/// log what changed. Throws io::FileError.
void begin_run(const Run& run, int64_t nimg);

}  // namespace onestep
