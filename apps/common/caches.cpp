// SPDX-License-Identifier: Apache-2.0
#include "apps/common/caches.h"

#include <cstdlib>
#include <filesystem>

#include "apps/common/arguments.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

/// Empty where the user has no folder for caches.
fs::path users_folder() {
  const char *base = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (base != nullptr && *base != '\0') return fs::path(base) / "onestep";
  if (home != nullptr && *home != '\0') return fs::path(home) / ".cache" / "onestep";
  return {};
}

}  // namespace

void add_cache_options(CLI::App& command, CacheOptions& options, const std::string& what,
                       const std::string& where) {
  command
      .add_option("--cache", options.folder,
                  "where " + what + " are kept (default: ~/.cache/onestep" + where + ")")
      ->check(is_path())
      ->type_name("DIR");
  command.add_flag("--no-cache", options.none, "keep and reuse nothing");
}

io::Cache evaluation_cache(const CacheOptions& options) {
  if (options.none) return {};
  if (!options.folder.empty()) return {.folder = options.folder};
  const fs::path users = users_folder();
  return {.folder = users.empty() ? fs::path() : users / "evaluation"};
}

io::Cache data_cache(const CacheOptions& options) {
  const fs::path base = options.folder.empty() ? users_folder() : fs::path(options.folder);
  if (options.none || base.empty()) return {};
  return {.folder = base / "data", .max_bytes = uint64_t{64} << 30};
}

}  // namespace onestep
