// SPDX-License-Identifier: Apache-2.0
#include "distillation/resolutions.h"

#include <algorithm>

#include <c10/util/StringUtil.h>

namespace onestep {
namespace {

constexpr const char* kExpected = "lowest, all, or a list of resolutions";

}  // namespace

Resolutions listed(std::vector<int64_t> resolutions) {
  return {.named = "", .listed = std::move(resolutions)};
}

std::vector<int64_t> resolved(const Resolutions& wanted, const Denoiser& network, const std::string& key) {
  const std::vector<int64_t> known = encoder_resolutions(network);
  if (wanted.named == "all") return known;
  if (wanted.named == "lowest") return {*std::min_element(known.begin(), known.end())};
  for (const int64_t resolution : wanted.listed) {
    if (std::find(known.begin(), known.end(), resolution) == known.end())
      throw config::ConfigError(c10::str(key, ": the encoder has no resolution ", resolution, "; it has ",
                                         c10::IntArrayRef(known)));
    if (std::count(wanted.listed.begin(), wanted.listed.end(), resolution) > 1)
      throw config::ConfigError(c10::str(key, ": ", resolution, " twice"));
  }
  return wanted.listed;
}

void decode(const config::Place& place, const config::Check&, Resolutions& value) {
  if (!place.node) return;
  if (place.node->kind == config::Node::Kind::sequence) {
    value.named.clear();
    config::decode(place, config::at_least(1), value.listed);
    if (value.listed.empty()) config::fail(*place.node, place.path, std::string("expected ") + kExpected);
    return;
  }
  config::Check names = config::one_of({"lowest", "all"});
  names.expected = kExpected;
  config::decode(place, names, value.named);
  value.listed.clear();
}

config::Node encode(const Resolutions& value) {
  return value.named.empty() ? config::encode(value.listed) : config::encode(value.named);
}

void describe(const std::string& path, const Resolutions& value, const char* meaning, const config::Check&,
              config::HelpRows& rows) {
  rows.push_back({path, kExpected, config::flow_text(encode(value)), meaning});
}

}  // namespace onestep
