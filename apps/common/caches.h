// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include <CLI/CLI.hpp>

#include "io/cache.h"

namespace onestep {

/// --cache and --no-cache, as given.
struct CacheOptions {
  std::string folder;
  bool none = false;
};

/// Declares both; `what` says what is kept, and `where` in which folder by default.
void add_cache_options(CLI::App& command, CacheOptions& options, const std::string& what,
                       const std::string& where);

/// Drawn images and features: the folder that --cache names, else the user's, $XDG_CACHE_HOME/onestep or
/// ~/.cache/onestep, and `evaluation` in it. 8 GiB at most.
io::Cache evaluation_cache(const CacheOptions& options);

/// Decoded images: `data` in either folder. 64 GiB at most.
io::Cache data_cache(const CacheOptions& options);

}  // namespace onestep
