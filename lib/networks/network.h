// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/condition.h"
#include "networks/layers.h"

/// What a raw network F is: a module with free functions beside it, found by overload. A new one is its
/// header, its .cpp, a line of network_list.h and of CMakeLists.txt.
namespace onestep {

struct ImageShape {
  int64_t channels, height, width;
  bool operator==(const ImageShape&) const = default;
};

/// What a raw network is told beside the image, a row for each.
struct Conditioning {
  at::Tensor noise_labels;         ///< c_noise, [N]
  Condition condition;             ///< undefined: nothing, as a row of zeros
  at::Tensor augment_labels;       ///< [N, augment_dim]; undefined: not augmented
  DropoutStream* masks = nullptr;  ///< null: no dropout
};

/// A place inside a network that a discriminator may look at: maps [N, channels, height, width].
struct FeatureTap {
  std::string name;
  int64_t channels, height, width;
};

/// The taps of these names, in their order. Throws c10::Error that says what `known` ones there are.
std::vector<FeatureTap> taps_named(const std::vector<std::string>& names,
                                   const std::vector<FeatureTap>& known);

/// What a pass is to give. Without its output it ends at the last tap.
struct Wanted {
  std::vector<std::string> taps = {};
  bool output = true;
};

struct NetworkOutput {
  at::Tensor output;                 ///< [N, C', H, W], C' >= C: what is beyond the images' C is not used
  std::vector<at::Tensor> features;  ///< of the taps, in their order
};

/// What one forward pass of one image costs.
struct PassCost {
  int64_t macs = 0;         ///< multiply-accumulates of convolutions, linear maps and attention
  int64_t activations = 0;  ///< numbers kept for the backward pass, about
};

/// Of its configuration: images that it takes, number of classes (0: unconditional), taps from first to
/// last, a network with weights drawn from a seed (float32, on the CPU; its shapes alone on at::kMeta). Of
/// itself: F(x; c_noise, condition) with gradient through x and weights, which throws c10::Error for a tap
/// that it lacks; and what that costs.
template <class Net>
concept RawNetwork = requires(const Net& network, const typename Net::Config& config, const at::Tensor& x,
                              const Conditioning& conditioning, const Wanted& wanted) {
  { Net::Config::kind } -> std::convertible_to<std::string>;
  { config.label_dropout } -> std::convertible_to<double>;
  { config.problem() } -> std::same_as<std::string>;
  { network.config } -> std::convertible_to<const typename Net::Config&>;
  { image_shape(config) } -> std::same_as<ImageShape>;
  { label_dim(config) } -> std::same_as<int64_t>;
  { feature_taps(config) } -> std::same_as<std::vector<FeatureTap>>;
  { make_network(config, uint64_t{}, at::Device(at::kCPU)) } -> std::same_as<Net>;
  { forward(network, x, conditioning, wanted) } -> std::same_as<NetworkOutput>;
  { pass_cost(network) } -> std::same_as<PassCost>;
};

}  // namespace onestep
