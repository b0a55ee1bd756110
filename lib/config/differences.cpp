// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "config/node.h"
#include "config/scalar.h"

namespace onestep::config {
namespace {

bool same_scalar(const Node& a, const Node& b) {
  if (is_text(a) != is_text(b)) return false;
  if (is_text(a)) return a.text == b.text;
  const auto x = as_integer(a), y = as_integer(b);
  if (x && y) return *x == *y;
  return as_bool(a) == as_bool(b) && as_number(a) == as_number(b);
}

void compare(const Node& a, const Node& b, const std::string& path, std::vector<std::string>& found) {
  if (a.kind != b.kind || (a.kind == Node::Kind::scalar && !same_scalar(a, b))) {
    found.push_back(path);
  } else if (a.kind == Node::Kind::sequence) {
    for (size_t i = 0; i < std::max(a.children.size(), b.children.size()); ++i) {
      const std::string inner = dotted(path, std::to_string(i));
      if (i < a.children.size() && i < b.children.size()) {
        compare(a.children[i], b.children[i], inner, found);
      } else {
        found.push_back(inner);
      }
    }
  } else if (a.kind == Node::Kind::map) {
    for (const Node& value : a.children) {
      const std::string inner = dotted(path, value.key);
      if (const Node* other = find(b, value.key)) {
        compare(value, *other, inner, found);
      } else {
        found.push_back(inner);
      }
    }
    for (const Node& value : b.children) {
      if (!find(a, value.key)) found.push_back(dotted(path, value.key));
    }
  }
}

}  // namespace

std::vector<std::string> differences(const Node& a, const Node& b) {
  std::vector<std::string> found;
  compare(a, b, "", found);
  return found;
}

}  // namespace onestep::config
