// SPDX-License-Identifier: Apache-2.0
#include "training/ema.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "config/encode.h"

namespace onestep {
namespace {

double decay(const HalfLifeEma& c, int64_t nimg, int64_t batch) {
  double half_life = c.half_life_kimg * 1000;
  if (c.ramp_up_ratio > 0) half_life = std::min(half_life, c.ramp_up_ratio * static_cast<double>(nimg));
  return std::pow(0.5, static_cast<double>(batch) / std::max(half_life, 1e-8));
}

double decay(const PowerEma& c, int64_t nimg, int64_t batch) {
  return std::pow(1 - static_cast<double>(batch) / static_cast<double>(nimg), power_exponent(c.std) + 1);
}

double length(const HalfLifeEma& c) {
  return c.half_life_kimg;
}
double length(const PowerEma& c) {
  return c.std;
}

}  // namespace

double power_exponent(double std) {
  // σ²(γ+2)²(γ+3) − (γ+1) is negative at 0 and grows without end: one root lies above.
  double low = 0, high = 1;
  const auto above = [&](double g) { return std * std * (g + 2) * (g + 2) * (g + 3) > g + 1; };
  while (!above(high)) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (above(middle) ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

double ema_decay(const EmaConfig& config, int64_t nimg, int64_t batch) {
  return std::visit([&](const auto& c) { return decay(c, nimg, batch); }, config);
}

std::string name_of(const EmaConfig& config) {
  return std::visit(
      [](const auto& c) {
        char text[64];
        std::snprintf(text, sizeof text, "%s_%.9g", c.kind, length(c));
        return std::string(text);
      },
      config);
}

void decode(const config::Place& place, const config::Check& check, EmaConfigs& value) {
  if (!place.node) return;
  if (place.node->kind != config::Node::Kind::sequence) {
    value.all.resize(1);
    config::decode(place, check, value.all.front());
    return;
  }
  config::decode(place, check, value.all);
  if (value.all.empty()) config::fail(*place.node, place.path, "expected at least one average");
  std::set<std::string> names;
  for (const EmaConfig& one : value.all)
    if (!names.insert(name_of(one)).second)
      config::fail(*place.node, place.path, "two averages are called " + name_of(one));
}

config::Node encode(const EmaConfigs& value) {
  if (value.all.size() > 1) return config::encode(value.all);
  config::Node one = config::encode(value.all.front());
  // A single half-life is written as it was before there were other kinds: older runs go on.
  if (std::holds_alternative<HalfLifeEma>(value.all.front())) one.children.erase(one.children.begin());
  return one;
}

void describe(const std::string& path, const EmaConfigs& value, const char* meaning,
              const config::Check& check, config::HelpRows& rows) {
  config::describe(path, value.all.front(), meaning, check, rows);
}

}  // namespace onestep
