// SPDX-License-Identifier: Apache-2.0
#include "networks/network_list.h"

#include <c10/util/Exception.h>

namespace onestep {

ImageShape image_shape(const NetworkConfig& config) {
  return std::visit([](const auto& c) { return image_shape(c); }, config);
}

int64_t label_dim(const NetworkConfig& config) {
  return std::visit([](const auto& c) { return label_dim(c); }, config);
}

int64_t augment_dim(const NetworkConfig& config) {
  return std::visit(
      [](const auto& c) -> int64_t {
        if constexpr (requires { c.augment_dim; }) return c.augment_dim;
        return 0;
      },
      config);
}

std::vector<FeatureTap> feature_taps(const NetworkConfig& config) {
  return std::visit([](const auto& c) { return feature_taps(c); }, config);
}

std::string problem_of(const NetworkConfig& config) {
  return std::visit([](const auto& c) { return c.problem(); }, config);
}

double dropout_rate(const NetworkConfig& config) {
  return std::visit(
      [](const auto& c) -> double {
        if constexpr (requires { c.dropout; }) return c.dropout;
        return 0;
      },
      config);
}

double label_dropout_rate(const NetworkConfig& config) {
  return std::visit([](const auto& c) { return c.label_dropout; }, config);
}

bool has_dropout(const NetworkConfig& config) {
  return std::visit(
      [](const auto& c) {
        return requires {
          c.dropout;
        };
      },
      config);
}

bool recomputes(const NetworkConfig& config) {
  return std::visit(
      [](const auto& c) {
        return requires {
          c.recompute;
        };
      },
      config);
}

void set_recompute(Network& network, const std::string& recompute) {
  std::visit(
      [&](auto& chosen) {
        if constexpr (requires { chosen.config.recompute; })
          chosen.config.recompute = recompute;
        else
          TORCH_CHECK(recompute == "none", "a network of kind ", chosen.config.kind,
                      " has no blocks to recompute");
      },
      network);
}

NetworkConfig config_of(const Network& network) {
  return std::visit([](const auto& chosen) -> NetworkConfig { return chosen.config; }, network);
}

Network make_network(const NetworkConfig& config, uint64_t seed, at::Device device) {
  return std::visit([&](const auto& c) -> Network { return make_network(c, seed, device); }, config);
}

NetworkOutput forward(const Network& network, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted) {
  return std::visit([&](const auto& chosen) { return forward(chosen, x, conditioning, wanted); }, network);
}

PassCost pass_cost(const Network& network) {
  return std::visit([](const auto& chosen) { return pass_cost(chosen); }, network);
}

Condition null_condition(const Network& network, const Condition& c) {
  return std::visit([&](const auto& chosen) { return null_condition(chosen, c); }, network);
}

}  // namespace onestep
