// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "config/check.h"
#include "config/merge.h"
#include "config/suggest.h"
#include "config/yaml_reader.h"

namespace onestep::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestChain = 8;
constexpr size_t kMostFiles = 64;
constexpr size_t kReadBytes = (size_t{1} << 20) + 1;  // one more than the reader takes: enough to be refused

// " (did you mean …)" the YAML file of that folder whose name is nearest.
std::string near_miss(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".yaml") names.push_back(it->path().stem().string());
  }
  const std::string name = nearest(path.stem().string(), names);
  return name.empty() ? "" : " (did you mean '" + (path.parent_path() / (name + ".yaml")).string() + "'?)";
}

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
  if (!file.is_open() || file.bad()) {
    const std::string why = std::strerror(errno);
    fail(asked, key, "cannot read" + name + ": " + why + (fs::exists(status) ? "" : near_miss(path)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// A file without any content is a configuration without any key.
Node as_root(Node node) {
  if (node.kind == Node::Kind::null) node.kind = Node::Kind::map;
  return node;
}

/// The files that are being read, each the base of the one before, and how many have been in all.
struct Chain : std::vector<fs::path> {
  size_t files = 0;
};

Node load_chain(const fs::path& path, Chain& chain, const Node& asked) {
  const std::string key = chain.empty() ? "" : "base";
  const std::string text = read_text(path, asked, key);
  std::error_code error;
  const fs::path identity = fs::canonical(path, error);
  if (std::ranges::find(chain, identity) != chain.end()) {
    fail(asked, key, "'" + path.string() + "' includes itself");
  }
  if (chain.size() == kLongestChain) fail(asked, key, "more than 8 files in a row");
  if (++chain.files > kMostFiles) fail(asked, key, "more than 64 files in all");
  chain.push_back(identity);

  Node root = as_root(read_yaml(text, path.string()));
  const Node* base = find(root, "base");
  if (!base) {
    chain.pop_back();
    return root;
  }
  // Each file of a list is laid over those before it, and this file over all of them.
  Node merged;
  merged.kind = Node::Kind::map;
  for (const Node& below : base->kind == Node::Kind::sequence ? base->children : std::vector<Node>{*base}) {
    if (below.kind != Node::Kind::scalar) {
      fail(below, "base", "expected the path of a YAML file, got " + shown(below));
    }
    if (!config::path.text(below.text)) {
      fail(below, "base", "expected " + config::path.expected + ", got " + shown(below));
    }
    merge(merged, load_chain((path.parent_path() / below.text).lexically_normal(), chain, below));
  }
  std::erase_if(root.children, [](const Node& child) { return child.key == "base"; });
  merge(merged, std::move(root));
  chain.pop_back();
  return merged;
}

}  // namespace

Node load(const fs::path& path, const std::vector<std::string>& overrides) {
  Node asked;
  asked.origin = std::make_shared<const std::string>(path.string());
  Chain chain;
  Node root = load_chain(path, chain, asked);
  for (const auto& override : overrides) apply_override(root, override);
  return root;
}

Node parse(const std::string& text, const std::string& origin) {
  return as_root(read_yaml(text, origin));
}

}  // namespace onestep::config
