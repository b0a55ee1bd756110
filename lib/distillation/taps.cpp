// SPDX-License-Identifier: Apache-2.0
#include "distillation/taps.h"

#include <algorithm>

#include "config/named_rows.h"
#include "config/suggest.h"

namespace onestep {
namespace {

constexpr const char* kExpected = "deepest, all, or a list of taps";

}  // namespace

Taps listed(std::vector<std::string> names) {
  return {.word = "", .listed = std::move(names)};
}

std::vector<std::string> resolved(const Taps& wanted, const Denoiser& network, const std::string& key) {
  const std::vector<std::string> known = config::names_of(feature_taps(network));
  if (wanted.word == "all") return known;
  if (wanted.word == "deepest") return {known.back()};
  for (const std::string& name : wanted.listed) {
    if (std::ranges::find(known, name) == known.end())
      throw config::ConfigError(key + ": the network has no tap '" + name + "'; it has " +
                                config::join(known, ", "));
    if (std::ranges::count(wanted.listed, name) > 1) throw config::ConfigError(key + ": " + name + " twice");
  }
  return wanted.listed;
}

void decode(const config::Place& place, const config::Check&, Taps& value) {
  if (!place.node) return;
  if (place.node->kind == config::Node::Kind::sequence) {
    value.word.clear();
    config::decode(place, config::non_empty, value.listed);
    if (value.listed.empty()) config::fail(*place.node, place.path, std::string("expected ") + kExpected);
    return;
  }
  config::Check words = config::one_of({"deepest", "all"});
  words.expected = kExpected;
  config::decode(place, words, value.word);
  value.listed.clear();
}

config::Node encode(const Taps& value) {
  return value.word.empty() ? config::encode(value.listed) : config::encode(value.word);
}

void describe(const std::string& path, const Taps& value, const char* meaning, const config::Check&,
              config::HelpRows& rows) {
  rows.push_back({path, kExpected, config::flow_text(encode(value)), meaning});
}

}  // namespace onestep
