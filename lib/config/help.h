// SPDX-License-Identifier: Apache-2.0
// From a struct's `fields` to the text of --help-config.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "config/check.h"
#include "config/encode.h"

namespace onestep::config {

/// One key, or (with an empty `type`) the heading of a group of keys.
struct HelpRow {
  std::string path, type, standard, meaning;
};
using HelpRows = std::vector<HelpRow>;

std::string type_phrase(const bool&, const Check&);
std::string type_phrase(const int64_t&, const Check&);
std::string type_phrase(const double&, const Check&);
std::string type_phrase(const std::string&, const Check&);
std::string list_phrase(const std::string& entry);
template <class T>
std::string type_phrase(const std::optional<T>&, const Check& check) {
  return type_phrase(T{}, check) + " or null";
}
template <class T>
std::string type_phrase(const std::vector<T>&, const Check& check) {
  return list_phrase(type_phrase(T{}, check));
}

/// The default as shown: "required" where it breaks its own check.
std::string default_text(const Node& value, const Check& check);

template <class T>
struct Leaf : std::bool_constant<!std::is_class_v<T>> {};
template <>
struct Leaf<std::string> : std::true_type {};
template <class T>
struct Leaf<std::optional<T>> : Leaf<T> {};
template <class T>
struct Leaf<std::vector<T>> : Leaf<T> {};

template <class T>
void describe(const std::string& path, const T& value, const char* meaning, const Check& check,
              HelpRows& rows);
template <class T>
void describe(const std::string& path, const std::optional<T>& value, const char* meaning, const Check& check,
              HelpRows& rows);
template <class T>
void describe(const std::string& path, const std::vector<T>& value, const char* meaning, const Check& check,
              HelpRows& rows);
template <class... Alternatives>
void describe(const std::string& path, const std::variant<Alternatives...>& value, const char* meaning,
              const Check& check, HelpRows& rows);

template <class T>
void describe_leaf(const std::string& path, const T& value, const char* meaning, const Check& check,
                   HelpRows& rows) {
  rows.push_back({path, type_phrase(value, check), default_text(encode(value), check), meaning});
}

template <class T>
void describe(const std::string& path, const T& value, const char* meaning, const Check& check,
              HelpRows& rows) {
  if constexpr (Leaf<T>::value) {
    describe_leaf(path, value, meaning, check, rows);
  } else {
    if (!path.empty()) rows.push_back({path, "", "", meaning});
    T::fields(value, [&](const char* key, const auto& member, const char* what, const Check& inner = any,
                         Role = {}) { describe(dotted(path, key), member, what, inner, rows); });
  }
}

template <class T>
void describe(const std::string& path, const std::optional<T>& value, const char* meaning, const Check& check,
              HelpRows& rows) {
  if constexpr (Leaf<T>::value) {
    describe_leaf(path, value, meaning, check, rows);
  } else {
    rows.push_back({path, "map or null", value ? "" : "null", meaning});
    describe(path, value.value_or(T{}), "where it is given", check, rows);
  }
}

template <class T>
void describe(const std::string& path, const std::vector<T>& value, const char* meaning, const Check& check,
              HelpRows& rows) {
  if constexpr (Leaf<T>::value) {
    describe_leaf(path, value, meaning, check, rows);
  } else {
    rows.push_back({path, "list of maps", flow_text(encode(value)), meaning});
    describe(dotted(path, "N"), T{}, "each entry", check, rows);
  }
}

template <class... Alternatives>
void describe(const std::string& path, const std::variant<Alternatives...>& value, const char* meaning,
              const Check&, HelpRows& rows) {
  const std::vector<std::string> kinds{Alternatives::kind...};
  rows.push_back({path, "", "", meaning});
  Check choices = one_of(kinds);
  describe_leaf(dotted(path, "kind"), kinds[value.index()], "chooses the keys below", choices, rows);
  const auto describe_alternative = [&]<class Alternative>(const Alternative& standard) {
    const std::string heading = path + (path.empty() ? "" : " ") + "(kind: " + Alternative::kind + ")";
    rows.push_back({heading, "", "", ""});
    Alternative::fields(standard,
                        [&](const char* key, const auto& member, const char* what, const Check& inner = any,
                            Role = {}) { describe(dotted(path, key), member, what, inner, rows); });
  };
  // The current alternative with the defaults that the enclosing struct gave it, the others with their own.
  (describe_alternative(std::holds_alternative<Alternatives>(value) ? std::get<Alternatives>(value)
                                                                    : Alternatives{}),
   ...);
}

/// A table of at most 100 columns.
std::string help_table(const HelpRows& rows);

/// Every key with its type, range, default and meaning, for a terminal.
template <class T>
std::string help() {
  HelpRows rows;
  describe("", T{}, "", any, rows);
  return help_table(rows);
}

}  // namespace onestep::config
