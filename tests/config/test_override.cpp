// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/failure.h"
#include "config/merge.h"

using namespace onestep;

namespace {

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
      {"s=[1", "command line: a key has to be text, got a list: is a bracket left open?"},
      {"s=&a b", "command line: anchors (&) and aliases (*) are not allowed; quote the text if it starts so"},
      {"s={b: 1, b: 2}", "command line: duplicate key 'b'"},
      {"s=\xFF", "command line: not UTF-8 text"},
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
