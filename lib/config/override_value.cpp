// SPDX-License-Identifier: Apache-2.0
#include "config/override_value.h"

#include <algorithm>
#include <optional>

#include "config/encode.h"
#include "config/utf8.h"
#include "config/yaml_reader.h"

namespace onestep::config {
namespace {

// A letter that means nothing to YAML, wherever it stands.
constexpr char kPlain = 'z';

std::string without_hashes(std::string text) {
  std::ranges::replace(text, '#', kPlain);
  return text;
}

bool same_without_hashes(const Node& a, const Node& b) {
  return a.kind == b.kind && without_hashes(a.text) == b.text && without_hashes(a.key) == b.key &&
         std::ranges::equal(a.children, b.children, same_without_hashes);
}

// A comment is what appears when '#' is put out of force.
bool has_comment(const std::string& text, const Node& value) {
  if (text.find('#') == std::string::npos) return false;
  try {
    return !same_without_hashes(value, read_yaml(without_hashes(text), "", /*numbered=*/false));
  } catch (const ConfigError&) {
    return true;
  }
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

bool is_quoted(const std::string& text) {
  return text.starts_with('"') || text.starts_with('\'');
}

// The value as YAML; nothing where it is none, or where a part of it would be lost. Then `problem` says why.
std::optional<Node> read_whole(const std::string& text, const std::string& origin, std::string& problem) {
  try {
    Node value = read_yaml(text, origin, /*numbered=*/false);
    const std::string inner = trimmed(text);
    const bool plain = value.kind == Node::Kind::scalar && !value.quoted;
    if (has_comment(text, value)) {
      problem = "YAML drops what stands behind '#'";
    } else if ((plain && value.text != inner) ||
               (value.kind == Node::Kind::scalar && text.find('\n') != std::string::npos)) {
      problem = "YAML makes '" + shown(value.text) + "' of it";
    } else {
      return value;
    }
  } catch (const ConfigError& error) {
    problem = std::string(error.what()).substr(origin.size() + 2);  // without "command line: "
  }
  return std::nullopt;
}

}  // namespace

Node override_value(const std::string& key, const std::string& text, const Node& here) {
  if (!is_utf8(text)) fail(here, shown(key), "not UTF-8 text");
  if (has_control_character(text))
    fail(here, shown(key), "a control character; quoted, it can be written as \"\\x1b\"");
  Node value = here;
  std::string problem;
  if (auto read = read_whole(text, *here.origin, problem)) {
    const bool in_quotes = read->kind == Node::Kind::scalar && is_quoted(trimmed(text));
    if (!in_quotes && (read->kind != Node::Kind::scalar || read->text != text)) read->literal = text;
    return *read;
  }
  value.kind = Node::Kind::scalar;
  value.text = text;
  value.problem = problem + "; quoted it is text: '" + shown(key + "=" + flow_text(encode(text))) + "'";
  return value;
}

}  // namespace onestep::config
