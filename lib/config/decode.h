// SPDX-License-Identifier: Apache-2.0
// From a tree to a struct. The templates only walk; what is said about each value is in decode.cpp.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "config/check.h"
#include "config/node.h"

namespace onestep::config {

/// A place in the tree that a field is read from. Where the key is absent, `node` is null and the field keeps
/// its default (which still has to pass its check); `nearest` is then the enclosing node, for the line of an
/// error.
struct Place {
  const Node* node;
  const Node* nearest;
  std::string path;
};

Place field(const Place& map, const char* key);
Place item(const Place& list, size_t index);

void expect_map(const Place& place);
void expect_list(const Place& place);
bool is_null(const Place& place);
void refuse_unknown_keys(const Place& map, const std::vector<std::string>& known, const char* kind);
void expect_kind(const Place& map, const char* kind);
/// The index into `kinds` of the map's `kind`; `current` where it names none.
size_t chosen_kind(const Place& map, const std::vector<std::string>& kinds, size_t current);
void refuse_problem(const Place& place, const std::string& problem);

/// An alternative of a variant, named by `static constexpr const char* kind`.
template <class T>
concept HasKind = requires {
  { T::kind } -> std::convertible_to<const char*>;
};

void decode(const Place& place, const Check& check, bool& value);
void decode(const Place& place, const Check& check, int64_t& value);
void decode(const Place& place, const Check& check, double& value);
void decode(const Place& place, const Check& check, std::string& value);

template <class T>
void decode(const Place& place, const Check& check, std::optional<T>& value) {
  if (!place.node) return;
  if (is_null(place)) {
    value.reset();
  } else {
    if (!value) value.emplace();
    decode(place, check, *value);
  }
}

template <class T>
void decode(const Place& place, const Check& check, std::vector<T>& value) {
  if (!place.node) return;
  expect_list(place);
  value.clear();
  for (size_t i = 0; i < place.node->children.size(); ++i) {
    T entry{};
    decode(item(place, i), check, entry);
    value.push_back(std::move(entry));
  }
}

template <class... Alternatives>
void decode(const Place& place, const Check&, std::variant<Alternatives...>& value) {
  expect_map(place);
  const size_t chosen = chosen_kind(place, {Alternatives::kind...}, value.index());
  // Where the kind stays what it was, so do the defaults that the enclosing struct gave it.
  if (chosen != value.index()) {
    size_t index = 0;
    ((index++ == chosen ? void(value.template emplace<Alternatives>()) : void()), ...);
  }
  std::visit([&](auto& alternative) { decode(place, any, alternative); }, value);
}

template <class T>
void decode(const Place& place, const Check&, T& value) {
  static_assert(std::is_class_v<T>,
                "a field is bool, int64_t, double, std::string, a struct with fields(), or a "
                "vector, optional or variant of these");
  expect_map(place);
  std::vector<std::string> known;
  const char* kind = nullptr;
  if constexpr (HasKind<T>) {
    kind = T::kind;
    known.emplace_back("kind");
    expect_kind(place, kind);
  }
  T::fields(value, [&](const char* key, auto&, const char*, const Check& = any, Role = {}) {
    known.emplace_back(key);
  });
  // First, so that a misspelt key is called that, and not the absence of the right one.
  refuse_unknown_keys(place, known, kind);
  T::fields(value, [&](const char* key, auto& member, const char*, const Check& check = any, Role = {}) {
    decode(field(place, key), check, member);
  });
  if constexpr (requires { std::string(value.problem()); }) refuse_problem(place, value.problem());
}

/// Fills a T from the tree: unknown keys, types, ranges, missing keys and the structs' own `problem()` are
/// checked. Throws ConfigError at the first fault.
template <class T>
T read(const Node& node) {
  T value{};
  decode(Place{&node, &node, ""}, any, value);
  return value;
}

}  // namespace onestep::config
