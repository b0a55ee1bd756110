// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_reader.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/utf8.h"

namespace onestep::config {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxNodes = 10000;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void refuse_what_is_not_text(const std::string& text, Node at) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) fail(at, "", "not UTF-8 text");
    const auto letter = static_cast<unsigned char>(text[i]);
    const bool control = letter < 0x20 && letter != '\t' && letter != '\n' && letter != '\r';
    if (control) fail(at, "", "control character in the text: is this a YAML file?");
    if (letter == '\n' && at.line > 0) ++at.line;
    i += length;
  }
}

// Whether the quoted scalar that starts at `at` is closed. yaml-cpp takes the end of the file for a closing
// quote, and so would turn the rest of a file into one text.
bool is_closed(const std::string& text, size_t at) {
  const char quote = at < text.size() ? text[at] : '|';
  if (quote != '"' && quote != '\'') return true;  // a block scalar ends by itself
  for (size_t i = at + 1; i < text.size(); ++i) {
    const bool escapes = quote == '"' ? text[i] == '\\' : text.compare(i, 2, "''") == 0;
    if (escapes) {
      ++i;
    } else if (text[i] == quote) {
      return true;
    }
  }
  return false;
}

// Builds the tree from the parser's events, and is the one validating walk: an event that is refused stops
// the parser, so hostile input costs no more than its own length.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, std::shared_ptr<const std::string> origin, bool numbered)
      : text_(text), origin_(std::move(origin)), numbered_(numbered) {}

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(node(mark), "", "more than one YAML document, or text after its end");
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse_reference(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_reference(mark); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(node(mark)); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    Node scalar = node(mark, Node::Kind::scalar);
    refuse_tag(scalar, tag);
    const auto at = static_cast<size_t>(mark.pos);
    if (tag == "!" && at < text_.size() && text_[at] == '!') refuse_tag(scalar, "!!");
    if (tag == "!" && !is_closed(text_, at)) fail(scalar, path(), "a quote that is never closed");
    // Escapes can make a zero byte, and yaml-cpp's "\N" and "\_" make bytes that are not UTF-8.
    if (value.find('\0') != std::string::npos || !is_utf8(value)) {
      fail(scalar, path(), "an escape that does not make UTF-8 text");
    }
    scalar.text = value;
    scalar.quoted = tag == "!";
    add(std::move(scalar));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(node(mark, Node::Kind::sequence), tag);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(node(mark, Node::Kind::map), tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    std::optional<Node> key;  // read, its value is still to come
  };

  Node node(const YAML::Mark& mark, Node::Kind kind = Node::Kind::null) const {
    Node made;
    made.kind = kind;
    made.origin = origin_;
    made.line = numbered_ ? mark.line + 1 : 0;
    return made;
  }

  std::string path() const {
    std::string path;
    for (const Open& open : open_) {
      if (open.key) path = dotted(path, open.key->text);
      const bool is_list = open.node.kind == Node::Kind::sequence;
      if (is_list) path = dotted(path, std::to_string(open.node.children.size()));
    }
    return path;
  }

  bool awaits_key() const {
    return !open_.empty() && open_.back().node.kind == Node::Kind::map && !open_.back().key;
  }

  void refuse_reference(const YAML::Mark& mark) const {
    fail(node(mark), path(), "anchors (&) and aliases (*) are not allowed; quote the text if it starts so");
  }

  // The parser reports "?" for plain and "!" for quoted scalars; anything else stood in the file.
  void refuse_tag(const Node& at, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") fail(at, path(), "tags (!) are not allowed");
  }

  void open(Node container, const std::string& tag) {
    refuse_tag(container, tag);
    if (awaits_key()) {
      fail(container, path(), "a key has to be text, got " + shown(container) + ": is a bracket left open?");
    }
    if (open_.size() == kMaxDepth) fail(container, "", "more than 32 levels deep");
    count(container);
    open_.push_back({std::move(container), std::nullopt});
  }

  void close() {
    Node done = std::move(open_.back().node);
    open_.pop_back();
    attach(std::move(done));
  }

  void add(Node leaf) {
    count(leaf);
    if (awaits_key()) {
      add_key(std::move(leaf));
    } else {
      attach(std::move(leaf));
    }
  }

  void add_key(Node key) {
    Open& map = open_.back();
    if (key.kind != Node::Kind::scalar) fail(key, path(), "a key has to be text, got " + shown(key));
    const std::string name = shown(key.text);
    if (key.text == "<<" && !key.quoted) fail(key, path(), "merge keys (<<) are not allowed; use 'base:'");
    if (const Node* first = find(map.node, key.text)) {
      fail(key, path(),
           "duplicate key '" + name + "'" +
               (numbered_ ? ", first on line " + std::to_string(first->line) : std::string()));
    }
    map.key = std::move(key);
  }

  void attach(Node value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (parent.key) {
      value.key = std::move(parent.key->text);
      value.line = parent.key->line;
      parent.key.reset();
    }
    parent.node.children.push_back(std::move(value));
  }

  void count(const Node& at) {
    if (++nodes_ > kMaxNodes) fail(at, "", "more than 10000 keys and values");
  }

  const std::string& text_;
  std::shared_ptr<const std::string> origin_;
  bool numbered_;
  int documents_ = 0;
  size_t nodes_ = 0;
  std::vector<Open> open_;
  Node root_;
};

}  // namespace

Node read_yaml(const std::string& bytes, const std::string& origin, bool numbered) {
  Node start;
  start.origin = std::make_shared<const std::string>(origin);
  start.line = numbered ? 1 : 0;
  if (bytes.size() > kMaxBytes) fail(start, "", "larger than 1 MiB: is this a configuration?");
  const std::string text = bytes.substr(bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
  refuse_what_is_not_text(text, start);

  TreeBuilder builder(text, start.origin, numbered);
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (numbered && !error.mark.is_null()) start.line = error.mark.line + 1;
    fail(start, "", "not valid YAML: " + error.msg);
  }
  Node root = builder.take();
  if (!root.origin) root.origin = start.origin;  // no document at all
  return root;
}

}  // namespace onestep::config
