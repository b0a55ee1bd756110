// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "config/node.h"

namespace onestep::config {

/// What an unquoted scalar means, strictly: `true` or `false`; decimal integers without leading zeros, plus
/// signs or separators, within 64 bits; finite decimal numbers such as -2, 0.5, .5, 1e-3. Nothing otherwise.
std::optional<bool> as_bool(const Node& node);
std::optional<int64_t> as_integer(const Node& node);
std::optional<double> as_number(const Node& node);

/// 010 is eight to some readers and ten to others: it is no number here.
bool has_leading_zero(const std::string& text);

/// True where the scalar can only be text: quoted, or neither a bool nor a number.
bool is_text(const Node& node);

/// The shortest decimal that reads back as exactly this double ("0.1", "1e-05", "500").
std::string shortest(double value);

}  // namespace onestep::config
