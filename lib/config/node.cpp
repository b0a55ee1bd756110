// SPDX-License-Identifier: Apache-2.0
#include "config/node.h"

#include <algorithm>

#include "config/printable.h"

namespace onestep::config {

ConfigError::ConfigError(const std::string& message) : std::runtime_error(printable(message)) {}

const Node* find(const Node& map, const std::string& key) {
  if (map.kind != Node::Kind::map) return nullptr;
  const auto found = std::ranges::find(map.children, key, &Node::key);
  return found == map.children.end() ? nullptr : &*found;
}

Node* find(Node& map, const std::string& key) {
  return const_cast<Node*>(find(static_cast<const Node&>(map), key));
}

std::string dotted(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : prefix + "." + key;
}

void fail(const Node& at, const std::string& path, const std::string& what) {
  std::string message = at.origin ? *at.origin : "configuration";
  if (at.line > 0) message.append(":").append(std::to_string(at.line));
  if (!path.empty()) message.append(": ").append(path);
  throw ConfigError(message + ": " + what);
}

std::string shown(const std::string& text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) return printable(text);
  size_t end = kLongest;
  while (end > kLongest - 4 && (text[end] & 0xC0) == 0x80) --end;  // not in the middle of a UTF-8 sequence
  return printable(text.substr(0, end)) + "…";
}

std::string shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::map:
      return "a map";
    case Node::Kind::scalar:
      break;
  }
  const std::string mark = node.quoted ? "\"" : "'";
  return (node.quoted ? "the text " : "") + mark + shown(node.text) + mark;
}

}  // namespace onestep::config
