// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/example.h"
#include "config/failure.h"

using namespace onestep;
using example::Experiment;

namespace {

Experiment read(const std::string& text) {
  return config::read<Experiment>(config::parse(text, "x.yaml"));
}

std::string error_of(const std::string& text) {
  return failure([&] { read(text); });
}

}  // namespace

TEST_CASE("an empty document is the defaults") {
  for (const std::string text : {"", "\n", "# only a comment\n", "---\n", "{}", "\xEF\xBB\xBF"}) {
    CHECK(read(text) == Experiment{});
  }
}

TEST_CASE("every type of field is read") {
  const Experiment c = read(
      "name: 2024\ndevice: cuda\nbatch: 4096\nflip: false\ndropout: .5\nclip: 1e-3\n"
      "extra: {sigma_max: 1}\nnoise:\n  sigma_min: 1.\noptimizer:\n  kind: sgd\n  momentum: 0\n"
      "channels: []\nsets:\n- name: a\n- {name: 'b', count: 3}\n");
  CHECK(c.name == "2024");
  CHECK(c.device == "cuda");
  CHECK(c.batch == 4096);
  CHECK_FALSE(c.flip);
  CHECK(c.dropout == 0.5);
  CHECK(c.clip == 1e-3);
  CHECK(c.extra == example::Noise{.sigma_min = 0.002, .sigma_max = 1});
  CHECK(c.noise == example::Noise{.sigma_min = 1, .sigma_max = 80});
  CHECK(std::get<example::Sgd>(c.optimizer) == example::Sgd{.lr = 0.1, .momentum = 0});
  CHECK(c.channels.empty());
  CHECK(c.sets == std::vector<example::Set>{{"a", 0}, {"b", 3}});
}

TEST_CASE("a variant keeps the enclosing struct's defaults while its kind stays") {
  for (const std::string text : {"", "optimizer: {}", "optimizer: {kind: adam}"}) {
    CHECK(read(text).optimizer == Experiment{}.optimizer);
  }
  CHECK(read("optimizer: {lr: 2}").optimizer ==
        std::variant<example::Adam, example::Sgd>(example::Adam{.lr = 2, .betas = {0.9, 0.99}}));
}

TEST_CASE("a struct with a kind can stand alone") {
  const auto sgd = [](const std::string& text) {
    return config::read<example::Sgd>(config::parse(text, "x"));
  };
  CHECK(sgd("lr: 3").lr == 3);
  CHECK(sgd("{kind: sgd, lr: 3}").lr == 3);
  CHECK(failure([&] { sgd("kind: adam"); }) == "x:1: kind: expected one of sgd, got 'adam'");
}

TEST_CASE("null empties an optional") {
  CHECK_FALSE(read("clip: null").clip);
  CHECK_FALSE(read("clip: ~").clip);
  CHECK_FALSE(read("extra:").extra);
}

TEST_CASE("a value is taken only for what it plainly is") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"batch: abc", "batch: expected an integer in [1, 4096], got 'abc'"},
      {"batch: 0", "batch: expected an integer in [1, 4096], got '0'"},
      {"batch: 4097", "batch: expected an integer in [1, 4096], got '4097'"},
      {"batch: 010", "batch: expected an integer in [1, 4096], got '010' (leading zeros are not allowed)"},
      {"batch: \"5\"",
       "batch: expected an integer in [1, 4096], got the text \"5\" (what is quoted is text)"},
      {"batch: 0x10", "batch: expected an integer in [1, 4096], got '0x10'"},
      {"batch: 1e3", "batch: expected an integer in [1, 4096], got '1e3'"},
      {"batch: 5.0", "batch: expected an integer in [1, 4096], got '5.0'"},
      {"batch: 1_000", "batch: expected an integer in [1, 4096], got '1_000'"},
      {"batch: +5", "batch: expected an integer in [1, 4096], got '+5'"},
      {"batch: 9223372036854775808", "batch: expected an integer in [1, 4096], got '9223372036854775808'"},
      {"batch:", "batch: expected an integer in [1, 4096], got nothing"},
      {"batch: [5]", "batch: expected an integer in [1, 4096], got a list"},
      {"dropout: 1e400", "dropout: expected a number in [0, 1], got '1e400'"},
      {"dropout: nan", "dropout: expected a number in [0, 1], got 'nan'"},
      {"dropout: .inf", "dropout: expected a number in [0, 1], got '.inf'"},
      {"dropout: 00.5", "dropout: expected a number in [0, 1], got '00.5' (leading zeros are not allowed)"},
      {"dropout: 1.01", "dropout: expected a number in [0, 1], got '1.01'"},
      {"dropout: 0.5 0.5", "dropout: expected a number in [0, 1], got '0.5 0.5'"},
      {"clip: -0.0", "clip: expected a number > 0, got '-0.0'"},
      {"flip: yes", "flip: expected true or false, got 'yes'"},
      {"flip: True", "flip: expected true or false, got 'True'"},
      {"flip: 'true'", "flip: expected true or false, got the text \"true\" (what is quoted is text)"},
      {"name:", "name: expected text (write \"\" for empty text), got nothing"},
      {"name: {a: b}", "name: expected text, got a map"},
      {"device: tpu9", "device: expected one of cpu, cuda, got 'tpu9'"},
      {"device: cdua", "device: expected one of cpu, cuda, got 'cdua' (did you mean 'cuda'?)"},
      {"noise: 5", "noise: expected a map of keys, got '5'"},
      {"noise:", "noise: expected a map of keys, got nothing"},
      {"channels: 5", "channels: expected a list, got '5'"},
      {"channels: [1, -2]", "channels.1: expected an integer > 0, got '-2'"},
      {"sets: [{name: a}, {name: ''}]", "sets.1.name: expected non-empty text, got the text \"\""},
      {"sets: [{count: 1}]", "sets.0.name: missing; expected non-empty text"},
      {"extra: {sigma_min: 0}", "extra.sigma_min: expected a number > 0, got '0'"},
      {"optimizer: {kind: [sgd]}", "optimizer.kind: expected one of adam, sgd, got a list"},
      {"optimizer: {kind: adm}",
       "optimizer.kind: expected one of adam, sgd, got 'adm' (did you mean 'adam'?)"},
      {"optimizer: {kind: rmsprop}", "optimizer.kind: expected one of adam, sgd, got 'rmsprop'"},
      {"[]", "expected a map of keys, got a list"},
      {"hello", "expected a map of keys, got 'hello'"},
  }));
  CHECK(error_of(text) == "x.yaml:1: " + expected);
}

TEST_CASE("a number is finite even where every number is allowed") {
  const auto number = [](const std::string& text) {
    config::Node node = config::parse("x: " + text, "x").children[0];
    double value = 0;
    config::decode({&node, &node, "x"}, config::any, value);
    return value;
  };
  CHECK(number("-1e38") == -1e38);
  CHECK_THAT(failure([&] { number("3.5e38"); }),
             Catch::Contains("x: expected a number, within float32's ±3.4e38, got '3.5e38'"));
  for (const std::string text : {"nan", "-nan", "inf", "-inf", "infinity", ".nan", "1e999", "-1e999"}) {
    CHECK(failure([&] { number(text); }) == "x:1: x: expected a number, got '" + text + "'");
  }
}

TEST_CASE("an unknown key names the nearest valid one, or all") {
  CHECK(error_of("name: a\nnoise:\n  sigma_mni: 1\n") ==
        "x.yaml:3: noise.sigma_mni: unknown key (did you mean 'sigma_min'?)");
  CHECK(error_of("noise: {colour: 1}") ==
        "x.yaml:1: noise.colour: unknown key (valid keys: sigma_min, sigma_max)");
  CHECK(error_of("optimizer: {momentum: 1}") ==
        "x.yaml:1: optimizer.momentum: unknown key for kind 'adam' (valid keys: kind, lr, betas)");
  // The misspelt key is the fault, not the absence of the required one.
  CHECK(error_of("sets:\n- nmae: x\n") == "x.yaml:2: sets.0.nmae: unknown key (did you mean 'name'?)");
  CHECK(error_of("base: y.yaml").find("x.yaml:1: base: unknown key") == 0);
}

TEST_CASE("the line is that of the key") {
  CHECK(error_of("name: a\n\n# comment\nbatch:\n  abc\n") ==
        "x.yaml:4: batch: expected an integer in [1, 4096], got 'abc'");
  CHECK(error_of("sets:\n  - name: a\n  - name: b\n    count: -1\n") ==
        "x.yaml:4: sets.1.count: expected an integer >= 0, got '-1'");
  CHECK(error_of("name: a\r\nbatch: b\r\n").find("x.yaml:2: batch:") == 0);
}

TEST_CASE("rules between fields name the struct") {
  CHECK(error_of("name: a\nnoise: {sigma_max: 0.001}") ==
        "x.yaml:2: noise: sigma_min has to be below sigma_max");
  CHECK(error_of("optimizer: {betas: [0.5]}") == "x.yaml:1: optimizer: betas needs two values");
  CHECK(failure([] { config::read<example::Noise>(config::parse("sigma_max: 0.001", "x")); }) ==
        "x:1: sigma_min has to be below sigma_max");
}

TEST_CASE("what is shown of a wrong value is short and cannot drive the terminal") {
  CHECK(error_of("batch: \"\\e[31m\"") ==
        "x.yaml:1: batch: expected an integer in [1, 4096], got the text \"\\x1b[31m\"");
  CHECK(error_of("batch: " + std::string(100000, 'a')).size() < 200);
  const std::string cut = error_of("batch: a" + [] {
    std::string umlauts;
    for (int i = 0; i < 100; ++i) umlauts += "ü";
    return umlauts;
  }());
  CHECK(cut.find("ü…'") != std::string::npos);
}
