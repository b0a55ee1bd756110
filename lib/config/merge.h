// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "config/node.h"

namespace onestep::config {

/// Lays `later` over `into`: maps merge key by key, everything else is replaced. Two maps that name different
/// `kind`s share no keys that mean the same, so there the later one replaces the earlier whole.
void merge(Node& into, Node later);

/// Applies "key.path=value" to a tree: what the value says is in config/override_value.h; a number in the
/// path is an index into a list; maps on the way are made where missing. A value that is a map merges as
/// above. Throws ConfigError (origin "command line").
void apply_override(Node& root, const std::string& assignment);

}  // namespace onestep::config
