// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <variant>

#include "networks/dhariwal_unet.h"
#include "networks/dit.h"
#include "networks/mlp.h"
#include "networks/network.h"
#include "networks/song_unet.h"

/// The networks that there are: one list, and each function of a network for whichever it is.
namespace onestep {

template <RawNetwork... Nets>
struct NetworkList {
  using Network = std::variant<Nets...>;
  using Config = std::variant<typename Nets::Config...>;
};
using NetworkTypes = NetworkList<SongUNet, DhariwalUNet, Dit, Mlp>;

using Network = NetworkTypes::Network;
using NetworkConfig = NetworkTypes::Config;

ImageShape image_shape(const NetworkConfig& config);
int64_t label_dim(const NetworkConfig& config);    ///< 0 = unconditional
int64_t augment_dim(const NetworkConfig& config);  ///< 0 = it is not told of augmentations
std::vector<FeatureTap> feature_taps(const NetworkConfig& config);
std::string problem_of(const NetworkConfig& config);

/// What is hidden from a network while it is trained: units by dropout, and labels. 0 where it has neither.
double dropout_rate(const NetworkConfig& config);
double label_dropout_rate(const NetworkConfig& config);
bool has_dropout(const NetworkConfig& config);

/// Whether its blocks can be computed once more in the backward pass (`recompute`), and the word for it.
bool recomputes(const NetworkConfig& config);
void set_recompute(Network& network, const std::string& recompute);

NetworkConfig config_of(const Network& network);
Network make_network(const NetworkConfig& config, uint64_t seed, at::Device device = at::kCPU);
NetworkOutput forward(const Network& network, const at::Tensor& x, const Conditioning& conditioning,
                      const Wanted& wanted = {});
PassCost pass_cost(const Network& network);

/// What classifier-free guidance puts in a condition's place: nothing, unless a network has its own.
template <RawNetwork Net>
Condition null_condition(const Net&, const Condition& c) {
  return null_like(c);
}
Condition null_condition(const Network& network, const Condition& c);

}  // namespace onestep
