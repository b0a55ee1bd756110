// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/example.h"
#include "config/failure.h"
#include "config/merge.h"

using namespace onestep;

namespace {

using Wish = std::optional<std::string>;

struct Keys {
  std::string text = "t";
  Wish wish;
  int64_t number = 1;
  std::optional<double> share;
  bool flag = false;
  std::vector<std::string> names;
  std::vector<int64_t> numbers;
  example::Noise noise;
  std::variant<example::Adam, example::Sgd> optimizer;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("text", c.text, "a text");
    visit("wish", c.wish, "a text that may be absent");
    visit("number", c.number, "an integer", config::positive);
    visit("share", c.share, "a number that may be absent");
    visit("flag", c.flag, "a flag");
    visit("names", c.names, "texts");
    visit("numbers", c.numbers, "integers");
    visit("noise", c.noise, "a map");
    visit("optimizer", c.optimizer, "a choice of maps");
  }
};

Keys read_with(const std::vector<std::string>& overrides) {
  config::Node root = config::parse("{wish: w, names: [a, b]}", "x");
  for (const auto& override : overrides) config::apply_override(root, override);
  return config::read<Keys>(root);
}

std::string after(const std::string& text, const std::vector<std::string>& overrides) {
  config::Node root = config::parse(text, "x");
  for (const auto& override : overrides) config::apply_override(root, override);
  return config::flow_text(root);
}

}  // namespace

TEST_CASE("overrides replace and create") {
  const auto [text, override, expected] = GENERATE(table<std::string, std::string, std::string>({
      {"{a: 1, b: 2}", "a=3", "{a: 3, b: 2}"},
      {"{a: {b: 1, c: 2}}", "a.b=3", "{a: {b: 3, c: 2}}"},
      {"{}", "a.b.c=3", "{a: {b: {c: 3}}}"},
      {"{a: null}", "a.b=3", "{a: {b: 3}}"},
      {"{a: 1}", "a=[1, 2]", "{a: [1, 2]}"},
      {"{a: {b: 1}}", "a={c: 2}", "{a: {b: 1, c: 2}}"},
      {"{a: 1}", "a={c: 2}", "{a: {c: 2}}"},
      {"{a: {b: 1}}", "a=5", "{a: 5}"},
      {"{a: [{b: p}, {b: q}]}", "a.1.b=r", "{a: [{b: p}, {b: r}]}"},
      {"{a: [1, 2]}", "a.0=5", "{a: [5, 2]}"},
      {"{a: 1}", "a=", "{a: null}"},
      {"{a: 1}", "a=\"5\"", "{a: \"5\"}"},
      {"{a: 1}", "a=b=c", "{a: \"b=c\"}"},
      {"{a: {kind: p, u: 1}}", "a.kind=q", "{a: {kind: q}}"},
      {"{a: {kind: p, u: 1}}", "a.kind=p", "{a: {kind: p, u: 1}}"},
      {"{a: {kind: p, u: 1}}", "a={kind: q, v: 1}", "{a: {kind: q, v: 1}}"},
      {"{a: {u: 1}}", "a.kind=q", "{a: {u: 1, kind: q}}"},
  }));
  CHECK(after(text, {override}) == expected);
}

TEST_CASE("overrides are applied in order") {
  CHECK(after("{a: {kind: p, u: 1}}", {"a.kind=q", "a.v=2", "a.v=3"}) == "{a: {kind: q, v: 3}}");
}

TEST_CASE("an override that cannot be applied") {
  const auto [override, expected] = GENERATE(table<std::string, std::string>({
      {"a", "command line: expected key.path=value, got 'a'"},
      {"=1", "command line: empty key in ''"},
      {"a..b=1", "command line: empty key in 'a..b'"},
      {"a.=1", "command line: empty key in 'a.'"},
      {"base=y.yaml", "command line: base: can only be given in a file"},
      {"s.x=1", "command line: s.x: has no keys, it is '5'"},
      {"l.2=1", "command line: l.2: not an entry of the list, which has 2"},
      {"l.x=1", "command line: l.x: not an entry of the list, which has 2"},
      {"l.-1=1", "command line: l.-1: not an entry of the list, which has 2"},
      {"l.99999999999999999999=1",
       "command line: l.99999999999999999999: not an entry of the list, which has 2"},
      {"s=\xFF", "command line: s: not UTF-8 text"},
      {"s.t=\x1b[31m", "command line: s.t: a control character; quoted, it can be written as \"\\x1b\""},
  }));
  CHECK(failure([&] { after("{s: 5, l: [1, 2]}", {override}); }) == expected);
}

TEST_CASE("a path as long as memory is refused") {
  std::string path = "a";
  for (int i = 0; i < 100000; ++i) path += ".a";
  const std::string message = failure([&] { after("{}", {path + "=1"}); });
  CHECK(message.find("more than 32 levels deep") != std::string::npos);
  CHECK(message.size() < 200);
}

TEST_CASE("a key that holds text takes what stands after = as it stands") {
  const std::string text =
      GENERATE(as<std::string>{}, "set #2", "#", " # ", "@x", "`x", "&a b", "*a", "!t x", "%x", ">", "> x",
               "|", "|-", "- ", "- x", "-", "? x", "a: b", ": ", "a:", "{", "}", "[1", "[a, b]", "{a: b}",
               "{a: 1, a: 2}", "'", "\"", "it's", "'a' b", "\"a\" #b", "\"a\"#b", "a=b=c", "=", "", " ",
               " a ", "a ", "\ta\t", "a\nb", "'a\nb'", "null", "~", "true", "010", "5", "1e3", "ä ö #ü",
               "---", "--- x", "...", "a, b", "\\n", "\xEF\xBB\xBFx", "<<", "<<: x", "a\r");
  CAPTURE(text);
  CHECK(read_with({"text=" + text}).text == text);
  CHECK(read_with({"names.1=" + text}).names == std::vector<std::string>{"a", text});
  // What was said before, and that it was said, does not matter.
  CHECK(read_with({"text={a: b}", "text=" + text}).text == text);
}

TEST_CASE("a text in quotes is what they hold") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"\"set #2\"", "set #2"},
      {"'set #2'", "set #2"},
      {"'it''s'", "it's"},
      {"\"a\\x1bb\"",
       "a\x1b"
       "b"},
      {"\"\"", ""},
      {" 'a ' ", "a "},
      {"\"null\"", "null"},
  }));
  CHECK(read_with({"text=" + text}).text == expected);
  CHECK(read_with({"wish=" + text}).wish == Wish(expected));
}

TEST_CASE("null empties a text that may be absent, and is a word to one that may not") {
  const std::string null = GENERATE(as<std::string>{}, "null", "~", "");
  CHECK(read_with({"wish=" + null}).wish == std::nullopt);
  CHECK(read_with({"text=" + null}).text == null);
  CHECK(read_with({"wish=null #2"}).wish == Wish("null #2"));
}

TEST_CASE("an override that YAML would take a part of is refused for every other key, by its name") {
  const auto [override, expected] = GENERATE(table<std::string, std::string>({
      {"number=8 #x",
       "number: expected an integer > 0, got '8 #x' (YAML drops what stands behind '#'; quoted it is text: "
       "'number=\"8 #x\"')"},
      {"share=#x",
       "share: expected a number, got '#x' (YAML drops what stands behind '#'; quoted it is text: "
       "'share=\"#x\"')"},
      {"flag=true #x",
       "flag: expected true or false, got 'true #x' (YAML drops what stands behind '#'; quoted it is text: "
       "'flag=\"true #x\"')"},
      {"number=--- 8",
       "number: expected an integer > 0, got '--- 8' (YAML makes '8' of it; quoted it is text: 'number=\"--- "
       "8\"')"},
      {"number=@x",
       "number: expected an integer > 0, got '@x' (not valid YAML: unknown token; quoted it is text: "
       "'number=\"@x\"')"},
      {"number=&a 5",
       "number: expected an integer > 0, got '&a 5' (anchors (&) and aliases (*) are not allowed; quote the "
       "text if it starts so; quoted it is text: 'number=\"&a 5\"')"},
      {"numbers=[1, 2] #3",
       "numbers: expected a list, got '[1, 2] #3' (YAML drops what stands behind '#'; quoted it is text: "
       "'numbers=\"[1, 2] #3\"')"},
      {"numbers=[1",
       "numbers: expected a list, got '[1' (a key has to be text, got a list: is a bracket left open?; "
       "quoted it is text: 'numbers=\"[1\"')"},
      {"noise={sigma_min: 1} #",
       "noise: expected a map of keys, got '{sigma_min: 1} #' (YAML drops what stands behind '#'; quoted it "
       "is text: 'noise=\"{sigma_min: 1} #\"')"},
      {"optimizer.kind=sgd #2",
       "optimizer.kind: expected one of adam, sgd, got 'sgd #2' (YAML drops what "
       "stands behind '#'; quoted it is text: 'optimizer.kind=\"sgd #2\"')"},
      {"names=[a, #b]",
       "names: expected a list, got '[a, #b]' (a key has to be text, got a list: is a bracket left open?; "
       "quoted it is text: 'names=\"[a, #b]\"')"},
  }));
  CHECK(failure([&] { read_with({override}); }) == "command line: " + expected);
  CHECK(read_with({"names=[a#b, \"c #d\", 'e #']"}).names == std::vector<std::string>{"a#b", "c #d", "e #"});
}
