// SPDX-License-Identifier: Apache-2.0
#include "samplers/seeds.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include "config/node.h"
#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

// Samples are named by their own seeds; the run's seed, which training draws under, is 0 for all of them.
constexpr uint64_t kRunSeed = 0;
constexpr int64_t kMostSeeds = 10'000'000;

/// from_blob takes no const pointer; philox_normal only reads.
at::Tensor as_indices(const std::vector<int64_t>& seeds) {
  return at::from_blob(const_cast<int64_t*>(seeds.data()), {static_cast<int64_t>(seeds.size())},
                       at::TensorOptions(at::kLong));
}

[[noreturn]] void refuse(const std::string& part) {
  throw config::ConfigError("seeds: expected numbers and ranges such as 0-63,100, got '" +
                            config::shown(part) + "'");
}

int64_t parse_seed(std::string_view text, const std::string& part) {
  int64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (text.empty() || text[0] == '-' || error != std::errc() || end != text.data() + text.size())
    refuse(part);
  return seed;
}

}  // namespace

std::optional<int64_t> repeated_seed(std::vector<int64_t> seeds) {
  std::ranges::sort(seeds);
  const auto twice = std::ranges::adjacent_find(seeds);
  return twice == seeds.end() ? std::nullopt : std::optional(*twice);
}

std::vector<int64_t> parse_seeds(const std::string& text) {
  std::vector<int64_t> seeds;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::string_view view = part;
    const size_t dash = view.find('-');
    const int64_t first = parse_seed(view.substr(0, dash), part);
    const int64_t last = dash == std::string_view::npos ? first : parse_seed(view.substr(dash + 1), part);
    if (last < first) refuse(part);
    if (last - first >= kMostSeeds - static_cast<int64_t>(seeds.size()))
      throw config::ConfigError("seeds: more than " + std::to_string(kMostSeeds) + " of them");
    for (int64_t i = 0; i <= last - first; ++i) seeds.push_back(first + i);
    begin = end + 1;
  }
  if (const auto twice = repeated_seed(seeds))
    throw config::ConfigError("seeds: " + std::to_string(*twice) + " is named twice");
  return seeds;
}

at::Tensor latents_from_seeds(const std::vector<int64_t>& seeds, at::IntArrayRef shape) {
  return kernels::philox_normal(kRunSeed, word(Purpose::latent), as_indices(seeds), shape, at::kCPU);
}

at::Tensor noise_from_seeds(const std::vector<int64_t>& seeds, int64_t step, int64_t draw,
                            at::IntArrayRef shape) {
  const uint64_t stream = static_cast<uint64_t>(draw) << 32 | static_cast<uint64_t>(step);
  return kernels::philox_normal(stream, word(Purpose::sampler_noise), as_indices(seeds), shape, at::kCPU);
}

std::vector<int64_t> classes_from_seeds(const std::vector<int64_t>& seeds,
                                        const std::vector<int64_t>& classes) {
  TORCH_CHECK(!classes.empty(), "classes_from_seeds: no class");
  std::vector<int64_t> drawn;
  for (const int64_t seed : seeds) {
    const uint64_t bits = kernels::philox_bits(kRunSeed, word(Purpose::class_label), seed, 0);
    drawn.push_back(classes[bits % classes.size()]);
  }
  return drawn;
}

std::vector<int64_t> consecutive_seeds(int64_t first, int64_t count) {
  std::vector<int64_t> seeds(count);
  std::iota(seeds.begin(), seeds.end(), first);
  return seeds;
}

}  // namespace onestep
