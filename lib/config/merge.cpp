// SPDX-License-Identifier: Apache-2.0
#include "config/merge.h"

#include <charconv>
#include <utility>
#include <vector>

#include "config/override_value.h"

namespace onestep::config {
namespace {

constexpr size_t kLongestPath = 32;

bool is_other_kind(const Node& earlier, const Node& later) {
  const Node* a = find(earlier, "kind");
  const Node* b = find(later, "kind");
  return a && b && a->text != b->text;
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts{""};
  for (const char letter : path) {
    if (letter == '.') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

Node& item(Node& list, const std::string& index, const Node& at, const std::string& path) {
  size_t i = 0;
  const char* end = index.data() + index.size();
  const auto [stop, error] = std::from_chars(index.data(), end, i);
  if (error != std::errc() || stop != end || i >= list.children.size()) {
    fail(at, path, "not an entry of the list, which has " + std::to_string(list.children.size()));
  }
  return list.children[i];
}

}  // namespace

void merge(Node& into, Node later) {
  const bool both_maps = into.kind == Node::Kind::map && later.kind == Node::Kind::map;
  if (!both_maps || is_other_kind(into, later)) {
    into = std::move(later);
    return;
  }
  for (Node& value : later.children) {
    if (Node* earlier = find(into, value.key)) {
      merge(*earlier, std::move(value));
    } else {
      into.children.push_back(std::move(value));
    }
  }
  into.origin = later.origin;
  into.line = later.line;
  into.literal = later.literal;
}

void apply_override(Node& root, const std::string& assignment) {
  Node here;
  here.origin = std::make_shared<const std::string>("command line");
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    fail(here, "", "expected key.path=value, got '" + shown(assignment) + "'");
  }
  const std::string whole = assignment.substr(0, equals);
  const auto parts = split(whole);
  if (parts.size() > kLongestPath) fail(here, shown(whole), "more than 32 levels deep");
  if (whole == "base") fail(here, whole, "can only be given in a file");
  Node value = override_value(whole, assignment.substr(equals + 1), here);

  Node* target = &root;
  std::string path;
  for (size_t i = 0; i < parts.size(); ++i) {
    path = dotted(path, shown(parts[i]));
    if (parts[i].empty()) fail(here, "", "empty key in '" + shown(whole) + "'");
    if (target->kind == Node::Kind::sequence) {
      target = &item(*target, parts[i], here, path);
      continue;
    }
    if (target->kind == Node::Kind::scalar) fail(here, path, "has no keys, it is " + shown(*target));
    target->kind = Node::Kind::map;  // where it was null
    target->literal.reset();
    const bool is_last = i + 1 == parts.size();
    const Node* kind = is_last && parts[i] == "kind" ? find(*target, "kind") : nullptr;
    if (kind && kind->text != value.text) target->children.clear();
    Node* child = find(*target, parts[i]);
    if (!child) {
      Node made = here;
      made.key = parts[i];
      child = &target->children.emplace_back(std::move(made));
    }
    target = child;
  }
  value.key = target->key;
  merge(*target, std::move(value));
}

}  // namespace onestep::config
