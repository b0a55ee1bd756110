// SPDX-License-Identifier: Apache-2.0
// Everything of the configuration library. A header that only declares a configurable struct needs just
// config/check.h. How to make a struct configurable: lib/config/README.md.
#pragma once
#include "config/check.h"    // positive, one_of, …
#include "config/decode.h"   // read<T>(node)
#include "config/encode.h"   // encode, to_yaml, to_json
#include "config/help.h"     // help<T>()
#include "config/load.h"     // load(path, overrides), parse(text, origin)
#include "config/node.h"     // Node, ConfigError, differences
#include "config/partial.h"  // Partial<T>, overlaid
