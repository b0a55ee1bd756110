// SPDX-License-Identifier: Apache-2.0
// From a struct to a tree, and from a tree to text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/check.h"
#include "config/decode.h"
#include "config/node.h"

namespace onestep::config {

Node encode(bool value);
Node encode(int64_t value);
Node encode(double value);  // throws ConfigError unless finite
Node encode(const std::string& value);
Node named(const char* key, Node value);
template <class T>
Node encode(const std::optional<T>& value);
template <class T>
Node encode(const std::vector<T>& value);
template <class... Alternatives>
Node encode(const std::variant<Alternatives...>& value);

template <class T>
Node encode(const T& value) {
  Node map;
  map.kind = Node::Kind::map;
  if constexpr (HasKind<T>) map.children.push_back(named("kind", encode(std::string(T::kind))));
  T::fields(value, [&](const char* key, const auto& member, const char*, const Check& = any,
                       Role role = Role::identity) {
    map.children.push_back(named(key, encode(member)));
    map.children.back().role = role;
  });
  return map;
}

template <class T>
Node encode(const std::optional<T>& value) {
  return value ? encode(*value) : Node{};
}

template <class T>
Node encode(const std::vector<T>& value) {
  Node list;
  list.kind = Node::Kind::sequence;
  for (const auto& entry : value) list.children.push_back(encode(static_cast<const T&>(entry)));
  return list;
}

template <class... Alternatives>
Node encode(const std::variant<Alternatives...>& value) {
  return std::visit([](const auto& alternative) { return encode(alternative); }, value);
}

/// Block YAML; lists of scalars in one line; text quoted wherever it could be read as something else.
std::string yaml_text(const Node& node);
/// In one line, as in [1, 2] or {a: 1}; also valid as the value of an override.
std::string flow_text(const Node& node);
nlohmann::ordered_json json_value(const Node& node);

/// Every key with its value, in the order of `fields`; read<T>(parse(to_yaml(c), …)) == c exactly.
template <class T>
std::string to_yaml(const T& config) {
  return yaml_text(encode(config));
}

/// The same as JSON. Callers include <nlohmann/json.hpp>; `Json` is a parameter only so that nobody else has
/// to.
template <class T, class Json = nlohmann::ordered_json>
Json to_json(const T& config) {
  return json_value(encode(config));
}

}  // namespace onestep::config
