// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

/// Tables that a configuration chooses from: arrays or vectors of rows with a `name`.
namespace onestep::config {

/// All names, in the order of the table.
template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

/// The row of that name; null where there is none.
template <class Table>
auto find_row(const Table& table, std::string_view name) {
  const auto row = std::ranges::find_if(table, [&](const auto& r) { return r.name == name; });
  return row == std::end(table) ? nullptr : &*row;
}

}  // namespace onestep::config
