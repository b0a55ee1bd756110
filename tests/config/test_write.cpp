// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "config/example.h"
#include "config/failure.h"
#include "config/printable.h"

using namespace onestep;
using example::Experiment;

namespace {

Experiment full() {
  Experiment c;
  c.clip = 1e-3;
  c.extra.emplace();
  c.optimizer = example::Sgd{};
  c.channels = {};
  c.sets = {{"a", 1}, {"b: c", 2}};
  return c;
}

}  // namespace

TEST_CASE("YAML holds every key, in order, with defaults resolved") {
  CHECK(config::to_yaml(full()) ==
        "name: trial\n"
        "device: cpu\n"
        "batch: 64\n"
        "flip: true\n"
        "dropout: 0.1\n"
        "clip: 0.001\n"
        "extra:\n"
        "  sigma_min: 0.002\n"
        "  sigma_max: 80.0\n"
        "noise:\n"
        "  sigma_min: 0.002\n"
        "  sigma_max: 80.0\n"
        "optimizer:\n"
        "  kind: sgd\n"
        "  lr: 0.1\n"
        "  momentum: 0.9\n"
        "channels: []\n"
        "sets:\n"
        "  - name: a\n"
        "    count: 1\n"
        "  - name: \"b: c\"\n"
        "    count: 2\n");
}

TEST_CASE("JSON is typed and ordered") {
  CHECK(config::to_json(Experiment{}).dump() ==
        R"({"name":"trial","device":"cpu","batch":64,"flip":true,"dropout":0.1,"clip":null,"extra":null,)"
        R"("noise":{"sigma_min":0.002,"sigma_max":80.0},)"
        R"("optimizer":{"kind":"adam","lr":0.001,"betas":[0.9,0.99]},"channels":[1,2],"sets":[]})");
}

TEST_CASE("what is written reads back as the same struct") {
  const auto same = [](const Experiment& c) {
    CHECK(config::read<Experiment>(config::parse(config::to_yaml(c), "yaml")) == c);
    CHECK(config::read<Experiment>(config::parse(config::to_json(c).dump(), "json")) == c);
    CHECK(config::read<Experiment>(config::parse(config::to_json(c).dump(2), "json")) == c);
  };
  same(Experiment{});
  same(full());

  for (const std::string text : {"",
                                 " ",
                                 "true",
                                 "True",
                                 "null",
                                 "~",
                                 "5",
                                 "-5",
                                 "1e3",
                                 "010",
                                 ".5",
                                 "0x1F",
                                 "1:30",
                                 "nan",
                                 ".inf",
                                 "y",
                                 "No",
                                 "-",
                                 "--- a",
                                 "- a",
                                 "? a",
                                 "a: b",
                                 "a #b",
                                 "#a",
                                 "&a",
                                 "*a",
                                 "!a",
                                 "!!str a",
                                 "|",
                                 ">",
                                 "%a",
                                 "@a",
                                 "`a`",
                                 "{a}",
                                 "[a]",
                                 "a, b",
                                 "'",
                                 "\"",
                                 "it's",
                                 "\\",
                                 "\\n",
                                 "a\nb",
                                 "\na\n",
                                 "\ta",
                                 "a ",
                                 " a",
                                 "a\rb",
                                 "\x1b[31m",
                                 "\x7f",
                                 "ü",
                                 "日本",
                                 "🙂",
                                 "\xC2\x85",
                                 "\xE2\x80\xA8",
                                 "\xEF\xBB\xBF",
                                 "/a/b-c_d.e",
                                 "a/../b",
                                 "=",
                                 "<<",
                                 "a:",
                                 ":a",
                                 "a=b"}) {
    Experiment c;
    c.name = text;
    c.sets = {{text.empty() ? "x" : text, 0}};
    CAPTURE(text);
    same(c);
  }

  using Limits = std::numeric_limits<double>;
  for (const double x : {1.0, 0.1, 1e22, 1e-5, 123456789.0, 1.0 / 3, Limits::min(), 3e38,
                         Limits::denorm_min(), 1 + Limits::epsilon()}) {
    Experiment c;
    c.clip = x;
    CAPTURE(x);
    same(c);
  }
  for (const int64_t n : {std::numeric_limits<int64_t>::max(), int64_t{1} << 53, (int64_t{1} << 53) + 1}) {
    Experiment c;
    c.channels = {n};
    same(c);
  }
}

TEST_CASE("what cannot be read back is not written") {
  Experiment c;
  c.dropout = std::numeric_limits<double>::quiet_NaN();
  CHECK(failure([&] { config::to_yaml(c); }) == "a configuration cannot hold nan");
}

namespace {

using Paths = std::vector<std::string>;

Paths paths_of(const std::vector<config::Difference>& differences) {
  Paths paths;
  for (const config::Difference& difference : differences) paths.push_back(difference.path);
  return paths;
}

}  // namespace

TEST_CASE("differences name the dotted paths") {
  const auto between = [](const std::string& a, const std::string& b) {
    return paths_of(config::differences(config::parse(a, "a"), config::parse(b, "b")));
  };
  CHECK(between("{a: 1, b: {c: x}}", "{b: {c: 'x'}, a: 1}").empty());
  CHECK(between("{a: 1e-3, b: 500}", "{a: 0.001, b: 500.0}").empty());
  CHECK(between("a: 5", "a: '5'") == Paths{"a"});
  CHECK(between("a: '5'", "a: 5") == Paths{"a"});
  CHECK(between("a: true", "a: 'true'") == Paths{"a"});
  CHECK(between("a: 9007199254740993", "a: 9007199254740992") == Paths{"a"});
  CHECK(between("{a: 1, b: {c: 1, d: 2}}", "{b: {c: 2, e: 3}, f: 4}") ==
        Paths{"a", "b.c", "b.d", "b.e", "f"});
  CHECK(between("a: [1, 2, {b: 1}]", "a: [1, 3, {b: 2}, 4]") == Paths{"a.1", "a.2.b", "a.3"});
  CHECK(between("a: [1]", "a: {b: 1}") == Paths{"a"});
  CHECK(between("a: null", "a: 0") == Paths{"a"});

  Experiment changed;
  changed.noise.sigma_max = 10;
  changed.optimizer = example::Sgd{};
  CHECK(paths_of(config::differences(config::encode(Experiment{}), config::encode(changed))) ==
        Paths{"noise.sigma_max", "optimizer.kind", "optimizer.lr", "optimizer.betas", "optimizer.momentum"});
  CHECK(config::differences(config::encode(changed), config::parse(config::to_json(changed).dump(), "json"))
            .empty());
}

TEST_CASE("text from outside becomes printable, and what is printable stays") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>(
      {{"plain \\x1b ü 漢 😀", "plain \\x1b ü 漢 😀"},
       {"\x1b[31m\a\r\t\x7f", "\\x1b[31m\\x07\\x0d\\x09\\x7f"},
       {"a\nb",
        "a\\x0a"
        "b"},
       {"caf\xe9", "caf\\xe9"},
       {"\xed\xa0\x80\xc0\xaf", "\\xed\\xa0\\x80\\xc0\\xaf"},
       {"\xc2\x9b", "\\u009b"},
       {"\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c", "\\u202e\\u2066\\u200f\\u061c"},
       {"\xe2\x80\xa8\xef\xbb\xbf", "\\u2028\\ufeff"},
       {std::string("a\0b", 3),
        "a\\x00"
        "b"}}));
  CHECK(config::printable(text) == expected);
  CHECK(config::printable(expected) == expected);
  CHECK(config::printable_lines("a\n\tb\x1b") == "a\n\tb\\x1b");
}

TEST_CASE("text that is hidden or no UTF-8 is written as escapes, and messages are one printable line") {
  const std::string hidden = "a\xe2\x80\xae\x1b\n\xc2\x9b";
  const config::Node node = config::encode(hidden);
  CHECK(config::flow_text(node) == "\"a\\u202e\\x1b\\x0a\\u009b\"");
  CHECK(config::parse("k: " + config::flow_text(node), "x").children[0].text == hidden);
  const config::Node broken = config::encode(std::string("caf\xe9"));
  CHECK(config::parse("k: " + config::flow_text(broken), "x").children[0].text == "caf\\xe9");
  CHECK(config::json_value(broken).dump() == "\"caf\\\\xe9\"");
  CHECK(std::string(config::ConfigError("a\nb\x1b\xff").what()) ==
        "a\\x0a"
        "b\\x1b\\xff");
}
