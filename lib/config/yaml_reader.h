// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "config/node.h"

namespace onestep::config {

/// One YAML document as a tree; an empty document is a null node. Refuses what a configuration has no use for
/// or what readers disagree on: aliases and anchors, merge keys, tags, duplicate keys, keys that are not
/// text, several documents, text that is not UTF-8, control characters, more than 32 levels, 10,000 values or
/// 1 MiB. `numbered` = false leaves line numbers out (text that the user does not see as a file). Throws
/// ConfigError with origin and line.
Node read_yaml(const std::string& text, const std::string& origin, bool numbered = true);

}  // namespace onestep::config
