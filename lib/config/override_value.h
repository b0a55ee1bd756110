// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "config/node.h"

namespace onestep::config {

/// What stands after "=" of an override of `key`. A key that holds text takes it as it stands, spaces, `#`
/// and
/// `: ` included, unless all of it is in quotes: then it is what they hold. All other keys read it as YAML,
/// and refuse it where YAML would drop a part of it (a comment). Which one `key` is shows when a struct is
/// read. `here` is the place that errors name. Throws ConfigError for what is no text at all: bytes that are
/// not UTF-8, control characters.
Node override_value(const std::string& key, const std::string& text, const Node& here);

}  // namespace onestep::config
