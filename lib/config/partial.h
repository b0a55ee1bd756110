// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "config/decode.h"
#include "config/encode.h"
#include "config/help.h"
#include "config/merge.h"
#include "config/node.h"

namespace onestep::config {

/// Some of T's keys, to be laid over a whole T once that is known. As a field it is a map in which every key
/// of T may be left out; each value that stands there passes its own type and check when it is read, and T's
/// `problem` when it is laid over.
template <class T>
struct Partial {
  Node changes{.kind = Node::Kind::map};

  bool says(const char* key) const { return find(changes, key) != nullptr; }
};

template <class T>
void decode(const Place& place, const Check&, Partial<T>& value) {
  expect_map(place);
  if (!place.node) return;
  std::vector<std::string> known;
  T standard{};
  T::fields(standard, [&](const char* key, auto& member, const char*, const Check& check = any, Role = {}) {
    known.emplace_back(key);
    if (const Place said = field(place, key); said.node) decode(said, check, member);
  });
  refuse_unknown_keys(place, known, nullptr);
  value.changes = *place.node;
}

template <class T>
Node encode(const Partial<T>& value) {
  Node changes = value.changes;
  changes.key.clear();
  return changes;
}

template <class T>
void describe(const std::string& path, const Partial<T>&, const char* meaning, const Check&, HelpRows& rows) {
  rows.push_back({path, "", "", meaning});
  const T standard{};
  T::fields(standard,
            [&](const char* key, const auto& member, const char* what, const Check& check = any, Role = {}) {
              HelpRows inner;
              describe(dotted(path, key), member, what, check, inner);
              for (HelpRow& row : inner) {
                row.standard = "unchanged";
                rows.push_back(std::move(row));
              }
            });
}

/// `changes` laid over `own`, and checked. Throws ConfigError where the changes were written.
template <class T>
T overlaid(const T& own, const Partial<T>& changes) {
  Node tree = encode(own);
  merge(tree, changes.changes);
  return read<T>(tree);
}

}  // namespace onestep::config
