// SPDX-License-Identifier: Apache-2.0
// What the U-Nets are made of and how they begin: the published architectures, laws of initial weights, taps.
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <c10/util/StringUtil.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "config/config.h"
#include "kernels/philox.h"
#include "networks/dhariwal_unet.h"
#include "networks/song_unet.h"

using namespace onestep;
using test::relative_error;

namespace {

struct NetworkFile {
  std::variant<SongUNetConfig, DhariwalUNetConfig> network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

/// 1234567 → "1,234,567".
std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<int64_t>(digits.size()) - 3; place > 0; place -= 3) digits.insert(place, ",");
  return digits;
}

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU);
}

DhariwalUNetConfig small_adm() {
  return {.img_resolution = 8,
          .img_channels = 2,
          .label_dim = 3,
          .augment_dim = 9,
          .model_channels = 64,
          .channel_mult = {1, 2},
          .num_blocks = 1,
          .attn_resolutions = {4}};
}

SongUNetConfig small_song() {
  return {.img_resolution = 8,
          .img_channels = 2,
          .label_dim = 3,
          .augment_dim = 9,
          .model_channels = 64,
          .channel_mult = {1, 2},
          .num_blocks = 1,
          .attn_resolutions = {4},
          .embedding_type = "fourier",
          .channel_mult_noise = 2,
          .encoder_type = "residual",
          .decoder_type = "skip",
          .resample_filter = {1, 3, 3, 1}};
}

}  // namespace

TEST_CASE("The published architectures have the published numbers of parameters and tensors") {
  struct Row {
    std::string file;
    int64_t parameters, tensors;
    double dropout;
  };
  const std::vector<Row> published{
      {"cifar10_uncond_ddpmpp", 55'733'891, 425, 0.13}, {"cifar10_cond_ddpmpp", 55'735'299, 427, 0.13},
      {"cifar10_uncond_ncsnpp", 56'397'827, 432, 0.13}, {"cifar10_cond_ncsnpp", 56'400'643, 434, 0.13},
      {"ffhq64_ddpmpp", 61'805'571, 553, 0.05},         {"afhqv2_64_ddpmpp", 61'805'571, 553, 0.25},
      {"ffhq64_ncsnpp", 62'761'091, 563, 0.05},         {"afhqv2_64_ncsnpp", 62'761'091, 563, 0.25},
      {"imagenet64_adm", 295'899'267, 553, 0.10},
  };
  for (const auto& [file, parameters, tensors, dropout] : published) {
    INFO(file);
    const std::string path = ONESTEP_SOURCE "/configs/networks/" + file + ".yaml";
    const auto read = config::read<NetworkFile>(config::load(path, {}));
    std::visit(
        [&, parameters = parameters, tensors = tensors, dropout = dropout](const auto& c) {
          const auto network = make_network(c, 0, at::kMeta);
          CHECK(c.problem().empty());
          CHECK(parameter_count(network) == parameters);
          CHECK(static_cast<int64_t>(named_tensors(network).size()) == tensors);
          CHECK(c.dropout == dropout);
          char said[200];
          std::snprintf(said, sizeof said, "# %s parameters in %lld tensors, %.1f GMAC",
                        with_commas(parameters).c_str(), static_cast<long long>(tensors),
                        static_cast<double>(pass_cost(network).macs) * 1e-9);
          CHECK_THAT(text_of(path), Catch::Contains(said));
        },
        read.network);
  }
}

namespace {

enum class Law { zero, one, uniform, normal };

/// The law of every tensor whose name ends so, the first row that fits: U(±scale/√fan) or N(0, scale²).
struct LawRow {
  std::string suffix;
  Law law;
  double scale = 0;
};

void check_laws(const NamedTensors& tensors, const std::vector<LawRow>& rows,
                const std::function<double(const std::string&, const NamedTensors&)>& fan_of) {
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with("resample_filter")) continue;
    INFO(name << " " << tensor.sizes());
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const LawRow& r) { return name.ends_with(r.suffix); });
    REQUIRE(row != rows.end());
    const double largest = tensor.abs().max().item<double>();
    const double variance = tensor.square().mean().item<double>();
    const auto count = static_cast<double>(tensor.numel());
    if (row->law == Law::zero) {
      CHECK(largest == 0);
    } else if (row->law == Law::one) {
      CHECK((tensor == 1).all().item<bool>());
    } else if (row->law == Law::normal) {
      CHECK(std::sqrt(variance) == Approx(row->scale).epsilon(4 / std::sqrt(count)));
    } else {
      const double bound = row->scale / std::sqrt(fan_of(name, tensors));
      CHECK(largest <= bound * (1 + 1e-6));
      CHECK(variance == Approx(bound * bound / 3).epsilon(5 / std::sqrt(count)));
    }
  }
}

/// A weight's inputs and outputs, kernels included.
std::pair<double, double> fans(const at::Tensor& weight) {
  const double kernel = weight.dim() == 4 ? static_cast<double>(weight.size(2) * weight.size(3)) : 1;
  return {static_cast<double>(weight.size(1)) * kernel, static_cast<double>(weight.size(0)) * kernel};
}

/// The weight of a weight, or of a bias.
const at::Tensor& weight_of(const std::string& name, const NamedTensors& tensors) {
  const std::string weight = name.substr(0, name.rfind('.')) + ".weight";
  return std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == weight; })
      ->second;
}

}  // namespace

TEST_CASE("Each kind of layer begins by its own law") {
  const auto sum_of_fans = [](const std::string& name, const NamedTensors& tensors) {
    const auto [in, out] = fans(weight_of(name, tensors));
    return in + out;
  };
  const double xavier = std::sqrt(6.0);
  check_laws(named_tensors(make_network(small_song(), 1)),
             {{"map_noise.freqs", Law::normal, 16},
              {"norm.weight", Law::one},
              {"norm0.weight", Law::one},
              {"norm1.weight", Law::one},
              {"norm2.weight", Law::one},
              {".bias", Law::zero},
              {"conv1.weight", Law::uniform, 1e-5 * xavier},
              {"proj.weight", Law::uniform, 1e-5 * xavier},
              {"aux_conv.weight", Law::uniform, 1e-5 * xavier},
              {"qkv.weight", Law::uniform, std::sqrt(0.2) * xavier},
              {".weight", Law::uniform, xavier}},
             sum_of_fans);

  const auto fan_in = [](const std::string& name, const NamedTensors& tensors) {
    return fans(weight_of(name, tensors)).first;
  };
  check_laws(named_tensors(make_network(small_adm(), 1)),
             {{"map_label.weight", Law::normal, 1},
              {"map_augment.weight", Law::zero},
              {"norm.weight", Law::one},
              {"norm0.weight", Law::one},
              {"norm1.weight", Law::one},
              {"norm2.weight", Law::one},
              {"norm.bias", Law::zero},
              {"norm0.bias", Law::zero},
              {"norm1.bias", Law::zero},
              {"norm2.bias", Law::zero},
              {"conv1.weight", Law::zero},
              {"conv1.bias", Law::zero},
              {"proj.weight", Law::zero},
              {"proj.bias", Law::zero},
              {"out_conv.weight", Law::zero},
              {"out_conv.bias", Law::zero},
              {"", Law::uniform, 1}},
             fan_in);
}

TEST_CASE("Features are the encoder's at the taps named, and a pass ends where nothing more is wanted") {
  const auto check = [](const auto& config) {
    const auto network = make_network(config, 1);
    CHECK(feature_taps(config).size() == 2);
    CHECK(feature_taps(config)[0].name == "8x8");
    CHECK(feature_taps(config)[1].channels == 128);
    const at::Tensor x = normal({2, 2, 8, 8}, 2);
    const auto pass = [&](const Wanted& wanted) {
      DropoutStream masks{.rate = 0.2, .seed = 5, .indices = at::arange(2)};
      const Conditioning told{
          .noise_labels = at::full({2}, 0.3), .condition = {}, .augment_labels = {}, .masks = &masks};
      return std::pair(forward(network, x, told, wanted), masks.layer);
    };
    const auto [all, layers] = pass({.taps = {"4x4", "8x8"}});
    CHECK(all.output.sizes() == x.sizes());
    for (const size_t i : {0, 1}) {
      const FeatureTap& tap = feature_taps(config)[1 - i];
      CHECK(all.features[i].sizes() == at::IntArrayRef{2, tap.channels, tap.height, tap.width});
    }
    const auto [fine, few] = pass({.taps = {"8x8"}, .output = false});
    CHECK_FALSE(fine.output.defined());
    CHECK(fine.features[0].equal(all.features[1]));
    CHECK(few == 1);  // of the encoder's blocks, only the finest
    CHECK(layers == 3 + 7);
    CHECK(pass({.output = false}).second == 0);
    CHECK_THROWS_WITH(pass({.taps = {"7x7"}}), Catch::Contains("'7x7'") && Catch::Contains("8x8, 4x4"));
  };
  check(small_song());
  check(small_adm());
}

TEST_CASE("An ADM whose blocks are recomputed has the bits of one that keeps everything") {
  const auto gradients = [](const std::string& recompute) {
    DhariwalUNetConfig config = small_adm();
    config.recompute = recompute;
    DhariwalUNet network = make_network(config, 1);
    for (auto& [name, tensor] : named_tensors(network))
      if (tensor.abs().max().item<double>() == 0) tensor.fill_(0.01);
    const FlatParameters flat = flatten(network);
    const at::Tensor x = normal({2, 2, 8, 8}, 2).set_requires_grad(true);
    DropoutStream masks{.rate = 0.3, .seed = 5, .indices = at::arange(2)};
    const Conditioning told{.noise_labels = at::full({2}, 0.3),
                            .condition = {normal({2, 3}, 4)},
                            .augment_labels = normal({2, 9}, 5),
                            .masks = &masks};
    (forward(network, x, told).output * normal({2, 2, 8, 8}, 3)).sum().backward();
    return std::pair(x.grad(), flat.gradients.clone());
  };
  const auto [x, parameters] = gradients("none");
  const auto [x_again, parameters_again] = gradients("blocks");
  CHECK(x_again.equal(x));
  CHECK(parameters_again.equal(parameters));
  CHECK(parameters.abs().sum().item<double>() > 0);
  CHECK(pass_cost(make_network(small_adm(), 1)).activations > 0);
}

TEST_CASE("U-Nets that can't be are refused") {
  DhariwalUNetConfig adm;
  CHECK(adm.problem().empty());
  adm.model_channels = 100;  // 200, 300 and 400 channels in groups of 32
  CHECK_THAT(adm.problem(), Catch::Contains("200 channels can't have equal groups"));
  adm = {.model_channels = 32, .channel_mult = {1, 7}};  // 224 channels in 3 heads
  CHECK_THAT(adm.problem(), Catch::Contains("224 channels can't be split into 3 equal heads"));
  adm = {.out_channels = 2};
  CHECK_THAT(adm.problem(), Catch::Contains("out_channels"));
  adm = {.img_resolution = 20};
  CHECK_THAT(adm.problem(), Catch::Contains("can't be halved 3 times"));
  // Two maps of 68 channels, which have 17 groups each, have no 32 together.
  const SongUNetConfig song{.model_channels = 68, .channel_mult = {1, 1}};
  CHECK_THAT(song.problem(), Catch::Contains("136 channels can't have equal groups"));
}
