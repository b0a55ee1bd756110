// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "config/check.h"
#include "config/node.h"

namespace onestep::config {

/// Calls f(dotted path, wanted) for every struct of type Wanted that `value` holds: in fields of fields, in
/// the chosen alternative of a variant, in optionals that are given, in lists.
template <class Wanted, class T, class F>
void for_each(const T& value, F&& f, const std::string& path = "");

/// Where `for_each` looks further.
template <class Wanted, class F>
struct Search {
  F& f;
  const std::string& path;

  template <class T>
  void operator()(const std::optional<T>& value) const {
    if (value) (*this)(*value);
  }
  template <class T>
  void operator()(const std::vector<T>& value) const {
    for (size_t i = 0; i < value.size(); ++i)
      for_each<Wanted>(static_cast<const T&>(value[i]), f, dotted(path, std::to_string(i)));
  }
  template <class... T>
  void operator()(const std::variant<T...>& value) const {
    std::visit([&](const auto& chosen) { (*this)(chosen); }, value);
  }
  template <class T>
  void operator()(const T& value) const {
    if constexpr (std::is_same_v<T, Wanted>) {
      f(path, value);
    } else if constexpr (requires { T::fields(value, [](auto&&...) {}); }) {
      T::fields(value, [&](const char* key, const auto& member, auto&&...) {
        for_each<Wanted>(member, f, dotted(path, key));
      });
    }
  }
};

template <class Wanted, class T, class F>
void for_each(const T& value, F&& f, const std::string& path) {
  Search<Wanted, std::remove_reference_t<F>>{f, path}(value);
}

}  // namespace onestep::config
