// SPDX-License-Identifier: Apache-2.0
#include "training/run.h"

#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/atomic_file.h"
#include "io/folder.h"
#include "io/jsonl.h"
#include "io/log.h"
#include "io/safetensors.h"
#include "training/checkpoint.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHashDigits = 16;  // of those shown: enough to tell two contents apart

[[noreturn]] void refuse(const fs::path& place, const std::string& why) {
  throw config::ConfigError(place.string() + ": " + why + "; choose another run.dir");
}

/// Whether two paths lead to the same place, whatever they are called: ./run and run.
bool same_place(const std::string& a, const std::string& b) {
  const auto place = [](const std::string& text) {
    std::error_code error;
    const fs::path path = fs::weakly_canonical(text, error);
    if (error) return fs::path(text);
    return path.has_filename() ? path : path.parent_path();  // without a slash at its end
  };
  return place(a) == place(b);
}

/// What has changed since the run's last start, if a run may change so.
std::vector<config::Difference> allowed_changes(const fs::path& path, const RunIdentity& identity) {
  std::vector<config::Difference> other, changes;
  for (const auto& difference : config::differences(config::load(path), identity.configuration)) {
    switch (difference.role) {
      case config::Role::identity:
        other.push_back(difference);
        break;
      case config::Role::budget:
        if (!identity.budget_problem.empty())
          refuse(path, difference.path + " was " + difference.was + " and is " + difference.is + ", and " +
                           identity.budget_problem);
        [[fallthrough]];
      case config::Role::free:
        changes.push_back(difference);
        break;
      case config::Role::place:
        if (!same_place(difference.was, difference.is)) changes.push_back(difference);
        break;
    }
  }
  if (!other.empty())
    refuse(path, "this folder holds a run with another configuration (" + config::keys_of(other) + ")");
  return changes;
}

std::string text_of(const std::vector<Source>& sources) {
  nlohmann::ordered_json text = nlohmann::ordered_json::object();
  for (const Source& source : sources) text[source.what] = source.sha256;
  return text.dump();
}

/// What the newest readable checkpoint says of the run, or its model; empty where there is neither.
std::map<std::string, std::string> metadata_of_run(const RunFolder& folder) {
  if (auto metadata = newest_checkpoint_metadata(folder.checkpoints()); !metadata.empty()) return metadata;
  if (!io::path_exists(folder.model())) return {};
  return io::read_safetensors_metadata(folder.model());
}

void require_same_sources(const RunFolder& folder, const std::vector<Source>& sources) {
  const auto metadata = metadata_of_run(folder);
  const auto found = metadata.find(kSourcesKey);
  if (found == metadata.end()) return;  // of an older version
  const auto then = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  for (const Source& now : sources) {
    if (!then.is_object() || !then.contains(now.what) || then[now.what] == now.sha256) continue;
    const std::string hash = then[now.what].is_string() ? then[now.what].get<std::string>() : "unknown";
    refuse(folder.root, "was made from another " + now.what + " (sha256 " + hash.substr(0, kHashDigits) +
                            "… then, " + now.sha256.substr(0, kHashDigits) + "… now: " + now.place + ")");
  }
}

/// A folder is a run's once it holds something to go on from.
bool is_run(const RunFolder& folder) {
  return io::path_exists(folder.model()) ||
         (io::path_exists(folder.checkpoints()) && has_checkpoints(folder.checkpoints()));
}

}  // namespace

std::optional<std::string> value_in_run(const fs::path& root, const std::string& key) {
  const RunFolder folder{root};
  if (!is_run(folder) || !io::path_exists(folder.config())) return std::nullopt;
  for (const auto& [path, value] : config::values_of(config::load(folder.config())))
    if (path == key) return value;
  return std::nullopt;
}

Run open_run(const fs::path& root, const RunIdentity& identity) {
  const RunFolder folder{root};
  for (const fs::path& path : {folder.root, folder.checkpoints(), folder.samples()}) io::make_folders(path);
  auto lock = io::LockFile::try_lock(folder.lock());
  if (!lock) throw io::FileError(root, "is being trained by " + io::lock_holder(folder.lock()));
  for (const fs::path& path :
       {folder.root, folder.checkpoints(), folder.samples(), folder.models(), folder.averages()})
    io::remove_temporary_files(path);  // whoever made them is gone: the lock is ours
  Run run{.folder = folder,
          .lock = std::move(*lock),
          .yaml = config::yaml_text(identity.configuration),
          .changes = {},
          .metadata = {{kSourcesKey, text_of(identity.sources)}}};
  if (!is_run(folder)) return run;
  if (io::path_exists(folder.config())) run.changes = allowed_changes(folder.config(), identity);
  require_same_sources(folder, identity.sources);
  return run;
}

void begin_run(const Run& run, int64_t nimg) {
  if (!run.changes.empty()) {
    std::string text;
    nlohmann::ordered_json changed = nlohmann::ordered_json::object();
    for (const config::Difference& c : run.changes) {
      text += (text.empty() ? "" : ", ") + c.path + " was " + (c.was.empty() ? "nothing" : c.was) +
              " and is " + (c.is.empty() ? "nothing" : c.is);
      changed[c.path] = {c.was, c.is};
    }
    io::log_info(run.folder.root.string() + ": goes on with changes: " + text);
    io::JsonLines(run.folder.log()).append({{"nimg", nimg}, {"changed", changed}});
  }
  io::write_file_atomically(run.folder.config(), run.yaml);
}

}  // namespace onestep
