// SPDX-License-Identifier: Apache-2.0
#include "config/encode.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "config/printable.h"
#include "config/scalar.h"
#include "config/utf8.h"

namespace onestep::config {
namespace {

Node scalar(std::string text, bool quoted = false) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.quoted = quoted;
  return node;
}

nlohmann::ordered_json scalar_value(const Node& node) {
  // nlohmann throws for bytes that are not UTF-8, which only text from a command line can hold.
  if (is_text(node)) return is_utf8(node.text) ? node.text : printable(node.text);
  if (const auto truth = as_bool(node)) return *truth;
  if (const auto integer = as_integer(node)) return *integer;
  return *as_number(node);
}

}  // namespace

Node encode(bool value) {
  return scalar(value ? "true" : "false");
}

Node encode(int64_t value) {
  return scalar(std::to_string(value));
}

Node encode(double value) {
  if (!std::isfinite(value)) throw ConfigError("a configuration cannot hold " + std::to_string(value));
  std::string text = shortest(value);
  // 500.0, so that a reader sees that 0.5 would be allowed too.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return scalar(text);
}

Node encode(const std::string& value) {
  return scalar(value, /*quoted=*/true);
}

Node named(const char* key, Node value) {
  value.key = key;
  return value;
}

nlohmann::ordered_json json_value(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return nullptr;
    case Node::Kind::scalar:
      return scalar_value(node);
    case Node::Kind::sequence: {
      auto list = nlohmann::ordered_json::array();
      for (const Node& child : node.children) list.push_back(json_value(child));
      return list;
    }
    case Node::Kind::map:
      break;
  }
  auto map = nlohmann::ordered_json::object();
  for (const Node& child : node.children) map[child.key] = json_value(child);
  return map;
}

}  // namespace onestep::config
