// SPDX-License-Identifier: Apache-2.0
// Structs that use every type of field once.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/check.h"

namespace example {

using namespace onestep;

struct Adam {
  static constexpr const char* kind = "adam";
  double lr = 2e-4;
  std::vector<double> betas = {0.9, 0.999};
  bool operator==(const Adam&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("lr", c.lr, "learning rate", config::positive);
    visit("betas", c.betas, "decay of the two moments", config::probability);
  }
  std::string problem() const { return betas.size() == 2 ? "" : "betas needs two values"; }
};

struct Sgd {
  static constexpr const char* kind = "sgd";
  double lr = 0.1;
  double momentum = 0.9;
  bool operator==(const Sgd&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("lr", c.lr, "learning rate", config::positive);
    visit("momentum", c.momentum, "share of the last step that is kept", config::probability);
  }
};

struct Noise {
  double sigma_min = 0.002;
  double sigma_max = 80.0;
  bool operator==(const Noise&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma_min", c.sigma_min, "lowest noise level", config::positive);
    visit("sigma_max", c.sigma_max, "highest noise level", config::positive);
  }
  std::string problem() const { return sigma_min < sigma_max ? "" : "sigma_min has to be below sigma_max"; }
};

struct Set {
  std::string name;
  int64_t count = 0;
  bool operator==(const Set&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "what the report calls it", config::non_empty);
    visit("count", c.count, "images", config::at_least(0));
  }
};

struct Experiment {
  std::string name = "trial";
  std::string device = "cpu";
  int64_t batch = 64;
  bool flip = true;
  double dropout = 0.1;
  std::optional<double> clip;
  std::optional<Noise> extra;
  Noise noise;
  std::variant<Adam, Sgd> optimizer = Adam{.lr = 1e-3, .betas = {0.9, 0.99}};
  std::vector<int64_t> channels = {1, 2};
  std::vector<Set> sets;
  bool operator==(const Experiment&) const = default;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("name", c.name, "of the run");
    visit("device", c.device, "where to compute", config::one_of({"cpu", "cuda"}));
    visit("batch", c.batch, "images a step", config::between(1, 4096));
    visit("flip", c.flip, "mirror half of the images");
    visit("dropout", c.dropout, "share of features dropped", config::probability);
    visit("clip", c.clip, "largest gradient norm", config::positive);
    visit("extra", c.extra, "a second range of noise");
    visit("noise", c.noise, "the range of noise");
    visit("optimizer", c.optimizer, "how weights are updated");
    visit("channels", c.channels, "multiplier a level", config::positive);
    visit("sets", c.sets, "what is compared");
  }
};

}  // namespace example
