// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "config/encode.h"
#include "config/node.h"
#include "config/scalar.h"
#include "config/suggest.h"

namespace onestep::config {
namespace {

bool same_scalar(const Node& a, const Node& b) {
  if (is_text(a) != is_text(b)) return false;
  if (is_text(a)) return a.text == b.text;
  const auto x = as_integer(a), y = as_integer(b);
  if (x && y) return *x == *y;
  return as_bool(a) == as_bool(b) && as_number(a) == as_number(b);
}

struct Comparison {
  std::vector<Difference> found;

  /// Two values at a path; null where a tree has none there. `above` is the role of what encloses them.
  void compare(const Node* was, const Node* is, const std::string& path, Role above) {
    const Role role = is != nullptr && is->role != Role::identity ? is->role : above;
    const auto differ = [&] {
      const auto text = [](const Node* node) -> std::string {
        if (node == nullptr) return "";
        return node->kind == Node::Kind::scalar ? node->text : flow_text(*node);
      };
      found.push_back({path, role, text(was), text(is)});
    };
    if (was == nullptr || is == nullptr || was->kind != is->kind) return differ();
    if (was->kind == Node::Kind::scalar && !same_scalar(*was, *is)) return differ();
    if (was->kind == Node::Kind::sequence) {
      const auto entry = [](const Node& list, size_t i) {
        return i < list.children.size() ? &list.children[i] : nullptr;
      };
      for (size_t i = 0; i < std::max(was->children.size(), is->children.size()); ++i)
        compare(entry(*was, i), entry(*is, i), dotted(path, std::to_string(i)), role);
    }
    if (was->kind == Node::Kind::map) {
      for (const Node& value : was->children)
        compare(&value, find(*is, value.key), dotted(path, value.key), role);
      for (const Node& value : is->children)
        if (find(*was, value.key) == nullptr) compare(nullptr, &value, dotted(path, value.key), role);
    }
  }
};

void add_values(const Node& node, const std::string& path,
                std::vector<std::pair<std::string, std::string>>& values) {
  if (node.role == Role::place) return;
  if (node.kind == Node::Kind::scalar) values.emplace_back(path, node.text);
  if (node.kind == Node::Kind::null) values.emplace_back(path, "null");
  for (size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    add_values(child, dotted(path, child.key.empty() ? std::to_string(i) : child.key), values);
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> values_of(const Node& tree) {
  std::vector<std::pair<std::string, std::string>> values;
  add_values(tree, "", values);
  return values;
}

std::vector<Difference> differences(const Node& was, const Node& is) {
  Comparison comparison;
  comparison.compare(&was, &is, "", Role::identity);
  return comparison.found;
}

std::string keys_of(const std::vector<Difference>& differences) {
  std::vector<std::string> paths;
  for (const Difference& difference : differences) paths.push_back(difference.path);
  return join(paths, ", ");
}

}  // namespace onestep::config
