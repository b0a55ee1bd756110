// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "config/encode.h"
#include "config/printable.h"
#include "config/scalar.h"
#include "config/utf8.h"

namespace onestep::config {
namespace {

bool is_letter(char letter) {
  return std::isalpha(static_cast<unsigned char>(letter)) != 0;
}

// Words and paths that no YAML reader, however lax, takes for anything but text.
bool is_plain(const std::string& text) {
  static const std::vector<std::string> kSpecial{"true", "false", "null", "yes", "no", "on",
                                                 "off",  "y",     "n",    "nan", "inf"};
  if (text.empty() || text.back() == ' ') return false;
  if (!is_letter(text[0]) && text[0] != '_' && text[0] != '/') return false;
  const auto allowed = [](char letter) {
    return is_letter(letter) || (letter >= '0' && letter <= '9') ||
           std::string("_-./ ").find(letter) != std::string::npos;
  };
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return std::ranges::all_of(text, allowed) && std::ranges::find(kSpecial, lower) == kSpecial.end();
}

// Escapes are YAML's own, and read back as what they stand for; a byte that is not UTF-8 has none, and
// becomes the four letters \xNN.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    const std::string letter = text.substr(i, length == 0 ? 1 : length);
    i += letter.size();
    if (letter == "\"" || letter == "\\" || length == 0) result += "\\";
    result += printable(letter);
  }
  return result + "\"";
}

std::string text_of(const std::string& text) {
  return is_plain(text) ? text : quoted(text);
}

bool is_leaf(const Node& node) {
  return node.kind == Node::Kind::null || node.kind == Node::Kind::scalar;
}

// Lists of scalars and everything empty read better in one line.
bool is_inline(const Node& node) {
  return is_leaf(node) || node.children.empty() ||
         (node.kind == Node::Kind::sequence && std::ranges::all_of(node.children, is_inline));
}

void write_block(const Node& node, const std::string& indent, std::string& out) {
  for (size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    const bool is_map = node.kind == Node::Kind::map;
    // The first key of a list's entry stands behind its dash.
    const bool after_dash = i == 0 && !out.empty() && out.back() == ' ';
    if (!after_dash) out += indent;
    out += is_map ? text_of(child.key) + ":" : "-";
    if (is_inline(child)) {
      out.append(" ").append(flow_text(child)).append("\n");
    } else if (is_map) {
      out += "\n";
      write_block(child, indent + "  ", out);
    } else {
      out += " ";
      write_block(child, indent + "  ", out);
    }
  }
}

}  // namespace

std::string flow_text(const Node& node) {
  if (node.kind == Node::Kind::null) return "null";
  if (node.kind == Node::Kind::scalar) return is_text(node) ? text_of(node.text) : node.text;
  const bool is_map = node.kind == Node::Kind::map;
  std::string result;
  for (const Node& child : node.children) {
    result += (result.empty() ? "" : ", ") + (is_map ? text_of(child.key) + ": " : "") + flow_text(child);
  }
  return std::string(is_map ? "{" : "[").append(result).append(is_map ? "}" : "]");
}

std::string yaml_text(const Node& node) {
  if (is_inline(node)) return flow_text(node) + "\n";
  std::string out;
  write_block(node, "", out);
  return out;
}

}  // namespace onestep::config
