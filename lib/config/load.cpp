// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "config/merge.h"
#include "config/yaml_reader.h"

namespace onestep::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestChain = 8;
constexpr size_t kReadBytes = (size_t{1} << 20) + 1;  // one more than the reader takes: enough to be refused

// `asked` is the node to blame when the file cannot be read.
std::string read_text(const fs::path& path, const Node& asked, const std::string& key) {
  const std::string name = key.empty() ? "" : " '" + path.string() + "'";
  std::error_code error;
  const auto status = fs::status(path, error);
  // Opening a pipe would wait for its writer, and a folder opens but does not read.
  if (fs::exists(status) && !fs::is_regular_file(status)) fail(asked, key, "not a regular file" + name);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kReadBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) fail(asked, key, "cannot read" + name + ": " + std::strerror(errno));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// A file without any content is a configuration without any key.
Node as_root(Node node) {
  if (node.kind == Node::Kind::null) node.kind = Node::Kind::map;
  return node;
}

Node load_chain(const fs::path& path, std::vector<fs::path>& chain, const Node& asked) {
  const std::string key = chain.empty() ? "" : "base";
  const std::string text = read_text(path, asked, key);
  std::error_code error;
  const fs::path identity = fs::canonical(path, error);
  if (std::ranges::find(chain, identity) != chain.end()) {
    fail(asked, key, "'" + path.string() + "' includes itself");
  }
  if (chain.size() == kLongestChain) fail(asked, key, "more than 8 files in a row");
  chain.push_back(identity);

  Node root = as_root(read_yaml(text, path.string()));
  const Node* base = find(root, "base");
  if (!base) return root;
  if (base->kind != Node::Kind::scalar) {
    fail(*base, "base", "expected the path of a YAML file, got " + shown(*base));
  }
  const fs::path below = (path.parent_path() / base->text).lexically_normal();
  Node merged = load_chain(below, chain, *base);
  std::erase_if(root.children, [](const Node& child) { return child.key == "base"; });
  merge(merged, std::move(root));
  return merged;
}

}  // namespace

Node load(const fs::path& path, const std::vector<std::string>& overrides) {
  Node asked;
  asked.origin = std::make_shared<const std::string>(path.string());
  std::vector<fs::path> chain;
  Node root = load_chain(path, chain, asked);
  for (const auto& override : overrides) apply_override(root, override);
  return root;
}

Node parse(const std::string& text, const std::string& origin) {
  return as_root(read_yaml(text, origin));
}

}  // namespace onestep::config
