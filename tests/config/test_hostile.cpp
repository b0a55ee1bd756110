// SPDX-License-Identifier: Apache-2.0
// Files that are wrong by accident or by intent: each ends in one message, at once.
#include <chrono>

#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/example.h"
#include "config/failure.h"

using namespace onestep;

namespace {

std::string error_of(const std::string& text) {
  return failure([&] { config::parse(text, "x"); });
}

std::string repeated(const std::string& part, size_t bytes) {
  std::string text;
  while (text.size() + part.size() <= bytes) text += part;
  return text;
}

}  // namespace

TEST_CASE("what a configuration has no use for is refused") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"a: &x 1", "x:1: a: anchors (&) and aliases (*) are not allowed; quote the text if it starts so"},
      {"a: &x [*x]", "x:1: a: anchors (&) and aliases (*) are not allowed; quote the text if it starts so"},
      {"a: *x", "x:1: not valid YAML: the referenced anchor is not defined"},
      {"b: {}\n<<: {a: 1}", "x:2: merge keys (<<) are not allowed; use 'base:'"},
      {"a: !!str 5", "x:1: a: tags (!) are not allowed"},
      {"a: !secret 5", "x:1: a: tags (!) are not allowed"},
      {"a: ! \"5\"", "x:1: a: tags (!) are not allowed"},
      {"a: !!map {b: 1}", "x:1: a: tags (!) are not allowed"},
      {"a: 1\nb: 2\na: 3", "x:3: duplicate key 'a', first on line 1"},
      {"a:\n  b: 1\n  c: {d: 1, d: 2}", "x:3: a.c: duplicate key 'd', first on line 3"},
      {"a:\n- x: 1\n- x: 1\n  'x': 2", "x:4: a.1: duplicate key 'x', first on line 3"},
      {"{\"a\": 1, \"a\": 2}", "x:1: duplicate key 'a', first on line 1"},
      {"? [a]\n: 1", "x:1: a key has to be text, got a list: is a bracket left open?"},
      {"? {a: 1}\n: 1", "x:1: a key has to be text, got a map: is a bracket left open?"},
      {"null: 1", "x:1: a key has to be text, got nothing"},
      {"a: 1\n---\nb: 1", "x:2: more than one YAML document, or text after its end"},
      {"a: 1\n...\nb: 1", "x:3: more than one YAML document, or text after its end"},
      {"[1] [2]", "x:1: more than one YAML document, or text after its end"},
      {"a: [1, 2\nb: 3\n", "x:2: not valid YAML: end of sequence flow not found"},
      {"a: {b: 1\n", "x:2: not valid YAML: end of map flow not found"},
      {"a: \"b\nc: 1\n", "x:1: a: a quote that is never closed"},
      {"a: 'b''\nc: 1\n", "x:1: a: a quote that is never closed"},
      {"a: \"b\\\"\nc: 1\n", "x:1: a: a quote that is never closed"},
      {"a: 1\n b: 2\n", "x:2: not valid YAML: illegal map value"},
      {"a:\n\tb: 1\n", "x:2: not valid YAML: illegal map value"},
      {"a: @b", "x:1: not valid YAML: unknown token"},
      {"a: \"\\ud800\"", "x:1: not valid YAML: invalid unicode: 55296"},
      {"a: \"\\0\"", "x:1: a: an escape that does not make UTF-8 text"},
      {"a: \"\\_\"", "x:1: a: an escape that does not make UTF-8 text"},
      {"\"\\N\": 1", "x:1: an escape that does not make UTF-8 text"},
      {"a: 1\nb: \xC3(", "x:2: not UTF-8 text"},
      {"a: \xC0\xAF", "x:1: not UTF-8 text"},          // overlong
      {"a: \xED\xA0\x80", "x:1: not UTF-8 text"},      // a surrogate
      {"a: \xF4\x90\x80\x80", "x:1: not UTF-8 text"},  // beyond U+10FFFF
      {"a: \xE2\x82", "x:1: not UTF-8 text"},          // torn
      {"\x7F\x45LF\x02\x01", "x:1: control character in the text: is this a YAML file?"},
      {"a: \x1B[31m", "x:1: control character in the text: is this a YAML file?"},
  }));
  CHECK(error_of(text) == expected);
}

TEST_CASE("zero bytes and UTF-16 are refused") {
  CHECK(error_of(std::string("a: 1\n\0", 6)) == "x:2: control character in the text: is this a YAML file?");
  CHECK(error_of("\xFF\xFE" + std::string("a\0:\0", 4)) == "x:1: not UTF-8 text");
}

TEST_CASE("quotes that are closed are taken") {
  CHECK(error_of("a: \"b \\\" \\\\\"\nb: 'it''s'\nc: |\n  \"\nd: >-\n  '\n\"e\": ''\nf: [\"\", '''']\n")
            .empty());
  CHECK(config::parse("\xEF\xBB\xBF\"a\": 'ü' \n\"b\": \"c\"", "x").children[1].text == "c");
}

TEST_CASE("budgets: depth, number of values, size") {
  const auto deep = [](int levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK(error_of(deep(32)).empty());
  CHECK(error_of(deep(33)) == "x:1: more than 32 levels deep");
  std::string block;
  for (int i = 0; i < 40; ++i) block += std::string(i, ' ') + "a:\n";
  CHECK(error_of(block).find("more than 32 levels deep") != std::string::npos);
  CHECK(error_of(repeated("- ", 1000)).find("more than 32 levels deep") != std::string::npos);

  CHECK(error_of("[" + repeated("1,", 2 * 9999) + "]").empty());
  CHECK(error_of("[" + repeated("1,", 2 * 10000) + "]") == "x:1: more than 10000 keys and values");

  CHECK(error_of("a: " + std::string((1 << 20) - 3, 'b')).empty());
  CHECK(error_of("a: " + std::string((1 << 20) - 2, 'b')) ==
        "x:1: larger than 1 MiB: is this a configuration?");
}

TEST_CASE("a mebibyte of anything ends soon, in a value or a ConfigError") {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string opening : {"", "["}) {
    for (const std::string part : {"[", "{",  "{a: ", "[{", "- ",     "? ",    ": ",    "&a ", "*a ", "!",
                                   "'", "\"", "|\n",  "a,", "--- \n", "\"\":", "a: b,", "\n",  "\t",  "# "}) {
      error_of(opening + repeated(part, (1 << 20) - 4));
    }
  }
  // 40 inputs, a few seconds; what this would catch takes minutes or for ever.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(100));
}

TEST_CASE("alias bombs do not go off") {
  std::string bomb = "a: &a [x, x]\n";
  for (const char c : std::string("bcdefghijklmnopqrstuvwxyz")) {
    for (const char letter : std::string("C: &C [*B, *B]\n")) {
      bomb += letter == 'C' ? c : letter == 'B' ? static_cast<char>(c - 1) : letter;
    }
  }
  CHECK(error_of(bomb).find("x:1: a: anchors (&) and aliases (*)") == 0);
}

TEST_CASE("every truncation of a good file is a value or a ConfigError") {
  example::Experiment c;
  c.sets = {{"a \"b\"", 1}, {"ü", 2}};
  const std::string text = config::to_yaml(c) + "x: 'y'\nz: {a: [1, 2], \"b\": |\n}\n";
  for (size_t n = 0; n < text.size(); ++n) {
    CHECK_NOTHROW(error_of(text.substr(0, n)));
    std::string flipped = text;
    flipped[n] ^= 0x05;
    CHECK_NOTHROW(error_of(flipped));
  }
}
