// SPDX-License-Identifier: Apache-2.0
#include "config/node.h"

#include <algorithm>
#include <cstdio>

namespace onestep::config {

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
  std::string escaped;
  for (const unsigned char letter : text.substr(0, kLongest)) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", letter);
    escaped +=
        letter < 0x20 || letter == 0x7f ? std::string(code) : std::string(1, static_cast<char>(letter));
  }
  if (text.size() <= kLongest) return escaped;
  // Do not end in the middle of a UTF-8 sequence.
  while (!escaped.empty() && (escaped.back() & 0xC0) == 0x80) escaped.pop_back();
  if (!escaped.empty() && (escaped.back() & 0x80)) escaped.pop_back();
  return escaped + "…";
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
