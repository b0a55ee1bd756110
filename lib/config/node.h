// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "config/role.h"

namespace onestep::config {

/// "file:line: dotted.path: what is wrong (did you mean 'x'?)", in one printable line. Apps print it and exit
/// with code 2.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(const std::string& message);
};

/// A validated configuration tree: what stands in a YAML file after includes and overrides, before any struct
/// is filled from it. A plain value; it knows where each of its parts was written.
struct Node {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  std::string text;            ///< of a scalar
  bool quoted = false;         ///< a quoted scalar is text, whatever it looks like
  std::vector<Node> children;  ///< a sequence's items, or a map's values in the order of the file
  std::string key;             ///< this node's key where it is a map's value
  std::shared_ptr<const std::string> origin;  ///< file name, or "command line"
  int line = 0;                               ///< of the key where there is one; from 1, 0 = has no lines
  Role role = Role::identity;          ///< of a field that was encoded; what was read from text has none
  std::optional<std::string> literal;  ///< of an override that YAML reads as something else: what it says to
                                       ///< a key that holds text
  std::string problem;                 ///< why an override that only text keys can take is no YAML
};

/// The value of `key` in a map; null when it has none, or when `map` is not a map.
const Node* find(const Node& map, const std::string& key);
Node* find(Node& map, const std::string& key);

/// "a.b" from "a" and "b"; "b" where the prefix is empty.
std::string dotted(const std::string& prefix, const std::string& key);

/// Throws ConfigError with the node's file and line and the dotted path (left out where empty).
[[noreturn]] void fail(const Node& at, const std::string& path, const std::string& what);

/// What stands there, for the end of "expected a number, got …": 'abc', the text "5", a list, a map, nothing.
/// Long values are cut, and made printable (config/printable.h).
std::string shown(const Node& node);
std::string shown(const std::string& text);

/// A place where two trees differ: a value that stands in one only, or another value.
struct Difference {
  std::string path;  ///< dotted
  Role role;         ///< of that key, or of the innermost one above it with a role
  std::string was;   ///< the value of the first tree, in one line; "" where there is none
  std::string is;    ///< likewise of the second
};

/// All of them, from `was` to `is`, which is an encoded struct where roles matter. Numbers are compared as
/// numbers (1e-3 = 0.001), a quoted text equals the same text unquoted.
std::vector<Difference> differences(const Node& was, const Node& is);

/// Every scalar of a tree by its dotted path, "task.optimizer.beta1" and "0.999", in its order; without those
/// whose role, or that of what encloses them, is a place.
std::vector<std::pair<std::string, std::string>> values_of(const Node& tree);

/// The paths of differences: "run.seed, task.sigma".
std::string keys_of(const std::vector<Difference>& differences);

}  // namespace onestep::config
