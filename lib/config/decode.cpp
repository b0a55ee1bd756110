// SPDX-License-Identifier: Apache-2.0
#include "config/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "config/scalar.h"
#include "config/suggest.h"

namespace onestep::config {
namespace {

[[noreturn]] void refuse(const Place& place, const std::string& what) {
  fail(*place.nearest, place.path, what);
}

std::string number_phrase(const char* type, const Check& check) {
  return check.expected.empty() ? type : std::string(type) + " " + check.expected;
}

// Why what stands there is not what it looks like to a person.
std::string hint(const Node& node) {
  if (!node.problem.empty()) return " (" + node.problem + ")";
  Node bare = node;
  bare.quoted = false;
  if (node.quoted && !is_text(bare)) return " (what is quoted is text)";
  return !node.quoted && has_leading_zero(node.text) ? " (leading zeros are not allowed)" : "";
}

// Fills `value` from what the place's scalar parsed as; an absent key keeps the default, which has to be
// allowed too.
template <class T>
void take(const Place& place, const std::optional<T>& parsed, const std::string& expected, T& value,
          auto allowed) {
  if (place.node) {
    if (!parsed || !allowed(*parsed)) {
      refuse(place,
             "expected " + expected + ", got " + shown(*place.node) + (parsed ? "" : hint(*place.node)));
    }
    value = *parsed;
  } else if (!allowed(value)) {
    refuse(place, "missing; expected " + expected);
  }
}

}  // namespace

Place field(const Place& map, const char* key) {
  const Node* child = map.node ? find(*map.node, key) : nullptr;
  return {child, child ? child : map.nearest, dotted(map.path, key)};
}

Place item(const Place& list, size_t index) {
  const Node* child = &list.node->children[index];
  return {child, child, dotted(list.path, std::to_string(index))};
}

void expect_map(const Place& place) {
  if (place.node && place.node->kind != Node::Kind::map) {
    refuse(place, "expected a map of keys, got " + shown(*place.node) + hint(*place.node));
  }
}

void expect_list(const Place& place) {
  if (place.node->kind != Node::Kind::sequence)
    refuse(place, "expected a list, got " + shown(*place.node) + hint(*place.node));
}

bool is_null(const Place& place) {
  return place.node->kind == Node::Kind::null;
}

void refuse_unknown_keys(const Place& map, const std::vector<std::string>& known, const char* kind) {
  if (!map.node) return;
  for (const Node& child : map.node->children) {
    if (std::ranges::find(known, child.key) != known.end()) continue;
    const std::string of_kind = kind ? std::string(" for kind '") + kind + "'" : "";
    fail(child, dotted(map.path, shown(child.key)),
         "unknown key" + of_kind + suggestion(child.key, known, "valid keys"));
  }
}

void expect_kind(const Place& map, const char* kind) {
  chosen_kind(map, {kind}, 0);
}

size_t chosen_kind(const Place& map, const std::vector<std::string>& kinds, size_t current) {
  const Place place = field(map, "kind");
  if (!place.node) return current;
  const auto found =
      place.node->kind == Node::Kind::scalar ? std::ranges::find(kinds, place.node->text) : kinds.end();
  if (found != kinds.end()) return static_cast<size_t>(found - kinds.begin());
  const std::string near = nearest(place.node->text, kinds);
  refuse(place, "expected one of " + join(kinds, ", ") + ", got " + shown(*place.node) +
                    (near.empty() ? "" : " (did you mean '" + near + "'?)") + hint(*place.node));
}

void refuse_problem(const Place& place, const std::string& problem) {
  if (!problem.empty()) refuse(place, problem);
}

void decode(const Place& place, const Check&, bool& value) {
  take(place, place.node ? as_bool(*place.node) : std::nullopt, "true or false", value,
       [](bool) { return true; });
}

void decode(const Place& place, const Check& check, int64_t& value) {
  take(place, place.node ? as_integer(*place.node) : std::nullopt, number_phrase("an integer", check), value,
       [&](int64_t x) { return !check.number || check.number(static_cast<double>(x)); });
}

void decode(const Place& place, const Check& check, double& value) {
  const auto parsed = place.node ? as_number(*place.node) : std::nullopt;
  // Every number ends in a float32 tensor, or is multiplied with one.
  const bool wide = parsed && std::abs(*parsed) > std::numeric_limits<float>::max();
  const std::string expected = number_phrase("a number", check) + (wide ? ", within float32's ±3.4e38" : "");
  take(place, parsed, expected, value, [&](double x) { return !wide && (!check.number || check.number(x)); });
}

void decode(const Place& place, const Check& check, std::string& value) {
  std::optional<std::string> parsed;
  std::string got;
  if (place.node && place.node->literal) {
    parsed = place.node->literal;
    got = "'" + shown(*parsed) + "'";
  } else if (place.node) {
    if (place.node->kind == Node::Kind::scalar) parsed = place.node->text;
    got = shown(*place.node);
  }
  const auto allowed = [&](const std::string& text) { return !check.text || check.text(text); };
  std::string expected = check.expected.empty() ? "text" : check.expected;
  if (parsed && !allowed(*parsed)) {
    const std::string near = nearest(*parsed, check.choices);
    refuse(place,
           "expected " + expected + ", got " + got + (near.empty() ? "" : " (did you mean '" + near + "'?)"));
  }
  if (place.node && is_null(place) && allowed("")) expected += " (write \"\" for empty text)";
  take(place, parsed, expected, value, allowed);
}

}  // namespace onestep::config
