// SPDX-License-Identifier: Apache-2.0
// DiT and SiT against numbers of the reference implementations, and against what their papers say of them.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "config/config.h"
#include "golden_file.h"
#include "kernels/philox.h"
#include "networks/dit.h"
#include "on_devices.h"

using namespace onestep;
using test::relative_error;

namespace {

DitConfig config_of(const io::TensorFile& file) {
  const auto kwargs = nlohmann::json::parse(file.metadata.at("case")).at("kwargs");
  return config::read<DitConfig>(config::parse(kwargs.dump(), file.path));
}

/// The network of the file's weights.
Dit dit_of(const io::TensorFile& file, at::ScalarType dtype) {
  return with_tensors_of(file, make_network(config_of(file), 0, at::kMeta), file.at("x").device(), dtype,
                         "weights/");
}

/// The file's times and classes, of which the one beyond the last is a row of zeros.
Conditioning conditioning_of(const io::TensorFile& file, at::ScalarType dtype) {
  const int64_t classes = config_of(file).num_classes;
  return {.noise_labels = file.at("t").to(dtype),
          .condition = {at::one_hot(file.at("y"), classes + 1).narrow(1, 0, classes).to(dtype)}};
}

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU);
}

constexpr auto kTiny = [] {
  DitConfig config;
  config.input_size = 8;
  config.in_channels = 3;
  config.hidden_size = 16;
  config.depth = 3;
  config.num_heads = 2;
  config.num_classes = 3;
  return config;
};

/// A network none of whose layers is zero.
Dit awake(const DitConfig& config, uint64_t seed = 1) {
  Dit m = make_network(config, seed);
  for_each_tensor(m, [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) tensor = tensor + normal(tensor.sizes(), ++seed) * 0.2;
  });
  return m;
}

at::Tensor rows_of(const std::vector<int64_t>& classes, int64_t count) {
  at::Tensor rows = at::zeros({std::ssize(classes), count});
  for (size_t i = 0; i < classes.size(); ++i)
    if (classes[i] < count) rows[static_cast<int64_t>(i)][classes[i]] = 1;
  return rows;
}

}  // namespace

DEVICE_TEST_CASE("DiT and SiT equal the reference: outputs, features, gradients", "[networks]") {
  for (const char* name : {"dit_tiny", "sit_patch4_three_heads"}) {
    const io::TensorFile file = test::golden_file(std::string("networks/") + name, device);
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      const bool wide = dtype == at::kDouble;
      INFO(name << (wide ? " float64" : " float32"));
      Dit m = dit_of(file, dtype);
      flatten(m);
      const Conditioning conditioning = conditioning_of(file, dtype);
      const at::Tensor x = file.at("x").to(dtype, false, /*copy=*/true).set_requires_grad(true);
      const NetworkOutput all = forward(m, x, conditioning, {.taps = {"block0", "block1"}});

      CHECK(relative_error(all.output, file.at(wide ? "out_f64" : "out")) < (wide ? 1e-9 : 2e-5));
      (all.output * file.at("v").to(dtype)).sum().backward();
      CHECK(relative_error(x.grad(), file.at(wide ? "grad_f64/x" : "grad/x")) < (wide ? 1e-9 : 1e-4));

      CHECK(relative_error(embed_conditioning(m, conditioning), file.at("feature/conditioning")) < 1e-5);
      if (file.has("feature/tokens"))
        CHECK(relative_error(embed_image(m, x), file.at("feature/tokens")) < 1e-5);
      for (size_t i = 0; i < all.features.size(); ++i) {
        CHECK(relative_error(all.features[i].flatten(2).transpose(1, 2),
                             file.at("feature/block" + std::to_string(i))) < 2e-5);
      }
      int compared = 0;
      for_each_tensor(m, [&](const std::string& path, at::Tensor& tensor, bool) {
        if (!file.has("grad/" + path)) return;
        INFO(path);
        CHECK(relative_error(tensor.grad(), file.at("grad/" + path)) < 1e-4);
        ++compared;
      });
      CHECK(compared >= 1);
    }
  }
}

TEST_CASE("Every official tensor of a DiT has a place, and the table of positions is the official one") {
  for (const char* name : {"dit_tiny", "sit_patch4_three_heads"}) {
    const io::TensorFile file = test::golden_file(std::string("networks/") + name);
    size_t official = 0;
    for (const auto& [key, tensor] : file.tensors) official += key.starts_with("weights/");
    const Dit m = make_network(config_of(file), 0);
    CHECK(named_tensors(m).size() == official);
    for (const auto& [key, tensor] : named_tensors(m)) CHECK(file.has("weights/" + key));
    CHECK(relative_error(m.pos_embed, file.at("weights/pos_embed")) < 1e-7);
  }
}

namespace {

/// The weights of diffusers' DiTTransformer2DModel under official names.
Dit dit_of_diffusers(const io::TensorFile& file, const DitConfig& config) {
  const auto get = [&](const std::string& name) { return file.at("weights/" + name).to(at::kDouble); };
  const auto linear = [&](const std::string& name) {
    return Linear{get(name + ".weight"), get(name + ".bias")};
  };
  const std::string embedders = "transformer_blocks.0.norm1.emb.";
  Dit m = clone(make_network(config, 0), {}, at::kDouble);
  m.patches = linear("pos_embed.proj");
  m.time0 = linear(embedders + "timestep_embedder.linear_1");
  m.time2 = linear(embedders + "timestep_embedder.linear_2");
  m.label_table = get(embedders + "class_embedder.embedding_table.weight");
  for (auto& [index, block] : m.blocks) {
    const std::string name = "transformer_blocks." + index;
    const Linear q = linear(name + ".attn1.to_q"), k = linear(name + ".attn1.to_k"),
                 v = linear(name + ".attn1.to_v");
    block.attn.qkv = {at::cat({q.weight, k.weight, v.weight}), at::cat({q.bias, k.bias, v.bias})};
    block.attn.proj = linear(name + ".attn1.to_out.0");
    block.mlp = {linear(name + ".ff.net.0.proj"), linear(name + ".ff.net.2")};
    block.modulation = linear(name + ".norm1.linear");
  }
  m.final_modulation = linear("proj_out_1");
  m.final_linear = linear("proj_out_2");
  return m;
}

}  // namespace

TEST_CASE("Weights in diffusers' layout give the official output, and diffusers' own on demand") {
  const io::TensorFile file = test::golden_file("networks/dit_tiny_diffusers");
  const auto error = [&](int64_t freq_shift, double norm_eps, const char* expected) {
    DitConfig config = config_of(file);
    config.freq_shift = freq_shift;
    config.norm_eps = norm_eps;
    const Dit m = dit_of_diffusers(file, config);
    const at::Tensor x = file.at("x").to(at::kDouble);
    return relative_error(forward(m, x, conditioning_of(file, at::kDouble)).output, file.at(expected));
  };
  CHECK(error(0, 1e-6, "out_official") < 2e-5);
  CHECK(error(1, 1e-5, "out_diffusers") < 2e-5);
  CHECK(error(0, 1e-6, "out_diffusers") > 0.1);
}

namespace {

struct Published {
  const char* name;
  double parameters, gmac;  ///< millions, with the table of positions; of one image
  size_t tensors;
};
const Published kPublished[] = {
    {"s_2", 32.96, 6.06, 132},    {"s_4", 32.95, 1.41, 132},   {"s_8", 33.15, 0.36, 132},
    {"b_2", 130.51, 23.0, 132},   {"b_4", 130.48, 5.56, 132},  {"b_8", 130.88, 1.42, 132},
    {"l_2", 458.10, 80.7, 252},   {"l_4", 458.05, 19.7, 252},  {"l_8", 458.59, 5.01, 252},
    {"xl_2", 675.13, 118.6, 292}, {"xl_4", 675.07, 29.0, 292}, {"xl_8", 675.68, 7.39, 292}};

struct NetworkFile {
  DitConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

}  // namespace

TEST_CASE("The files of the published DiTs and SiTs have their sizes and costs") {
  for (const Published& published : kPublished) {
    INFO(published.name);
    const std::string path =
        std::string(ONESTEP_SOURCE) + "/configs/networks/dit_" + published.name + ".yaml";
    const Dit m = make_network(config::read<NetworkFile>(config::load(path, {})).network, 0, at::kMeta);
    const double scalars = static_cast<double>(parameter_count(m) + m.pos_embed.numel());
    CHECK(scalars / 1e6 == Approx(published.parameters).margin(0.005));
    CHECK(named_tensors(m).size() == published.tensors);
    CHECK(static_cast<double>(pass_cost(m).macs) / 1e9 == Approx(published.gmac).epsilon(0.02));
  }
}

TEST_CASE("A fresh DiT is the identity in its blocks and zero in its output, its other layers drawn by law") {
  DitConfig config = kTiny();
  config.hidden_size = 64;
  config.num_classes = 99;
  const Dit m = make_network(config, 7);
  const at::Tensor x = normal({2, 3, 8, 8}, 3);
  const Conditioning conditioning{.noise_labels = at::full({2}, 0.3), .condition = {rows_of({1, 2}, 99)}};
  const NetworkOutput all = forward(m, x, conditioning, {.taps = {"block2"}});
  CHECK(all.output.abs().max().item<double>() == 0);
  CHECK(all.features[0].flatten(2).transpose(1, 2).equal(embed_image(m, x)));

  // Of a uniform law its bound is reached and its variance is bound² / 3; of a normal one the variance is
  // known.
  const auto check_uniform = [](const at::Tensor& w, int64_t in, int64_t out) {
    const double bound = std::sqrt(6.0 / static_cast<double>(in + out));
    CHECK(w.abs().max().item<double>() <= bound);
    CHECK(w.abs().max().item<double>() > 0.98 * bound);
    CHECK(w.square().mean().item<double>() == Approx(bound * bound / 3).epsilon(0.1));
  };
  check_uniform(m.patches.weight, 3 * 2 * 2, 64);
  for (const auto& [name, block] : m.blocks) {
    check_uniform(block.attn.qkv.weight, 64, 3 * 64);
    check_uniform(block.attn.proj.weight, 64, 64);
    check_uniform(block.mlp.fc1.weight, 64, 256);
    check_uniform(block.mlp.fc2.weight, 256, 64);
  }
  for (const at::Tensor& w : {m.label_table, m.time0.weight, m.time2.weight}) {
    CHECK(w.square().mean().item<double>() == Approx(0.02 * 0.02).epsilon(0.1));
    CHECK(w.abs().max().item<double>() > 0.06);  // no uniform law
  }
  for (const auto& [name, tensor] : named_tensors(m)) {
    INFO(name);
    const bool zero =
        name.ends_with("bias") || name.find("adaLN") != std::string::npos || name.starts_with("final_layer");
    CHECK((tensor.abs().max().item<double>() == 0) == zero);
  }
  CHECK(m.blocks[0].second.attn.proj.weight.equal(make_network(config, 7).blocks[0].second.attn.proj.weight));
  CHECK_FALSE(m.blocks[0].second.attn.proj.weight.equal(m.blocks[1].second.attn.proj.weight));
  CHECK_FALSE(m.label_table.equal(make_network(config, 8).label_table));
}

TEST_CASE("A class selects its row of the table, and no class the last one") {
  Dit m = awake(kTiny());
  flatten(m);
  const auto embedded = [&](const at::Tensor& classes) {
    return embed_conditioning(m,
                              {.noise_labels = at::full({classes.size(0)}, 250.5), .condition = {classes}});
  };
  const at::Tensor time = embedded(rows_of({3}, 3)) - m.label_table[3];
  for (int64_t k = 0; k <= 3; ++k)
    CHECK(relative_error(embedded(rows_of({k}, 3)), time + m.label_table[k]) < 1e-6);

  // As labels are hidden in training: one of two rows.
  const Condition known{rows_of({1, 2}, 3)};
  const at::Tensor hidden = where(at::arange(2) == 0, null_like(known), known).classes;
  CHECK(embedded(hidden).equal(embedded(rows_of({3, 2}, 3))));
  embedded(hidden).sum().backward();
  const at::Tensor touched = m.label_table.grad().abs().sum(1) > 0;
  CHECK(touched.equal(at::arange(4) >= 2));

  const at::Tensor x = normal({2, 3, 8, 8}, 3), level = at::full({2}, 250.5);
  const at::Tensor unsaid = forward(m, x, {.noise_labels = level}).output;
  CHECK(relative_error(unsaid, forward(m, x, {.noise_labels = level, .condition = null_like(known)}).output) <
        1e-6);
  CHECK(relative_error(unsaid, forward(m, x, {.noise_labels = level, .condition = known}).output) > 1e-3);
}

TEST_CASE("A DiT without classes has no table of them, one that learns no variance half the channels") {
  DitConfig config = kTiny();
  config.num_classes = 0;
  config.learn_sigma = false;
  const Dit m = awake(config);
  for (const auto& [name, tensor] : named_tensors(m)) CHECK_FALSE(name.starts_with("y_embedder"));
  const at::Tensor x = normal({2, 3, 8, 8}, 3);
  CHECK(forward(m, x, {.noise_labels = at::full({2}, 0.3)}).output.sizes() == x.sizes());
  CHECK(label_dim(config) == 0);
  CHECK(image_shape(config) == ImageShape{3, 8, 8});
  CHECK_THROWS_WITH(forward(m, normal({2, 3, 4, 4}, 3), {.noise_labels = at::full({2}, 0.3)}),
                    Catch::Contains("3 x 8 x 8") && Catch::Contains("[2, 3, 4, 4]"));
}

TEST_CASE("Features come in the order asked for, and without the output the pass ends at the last of them") {
  Dit m = awake(kTiny());
  const at::Tensor x = normal({2, 3, 8, 8}, 3);
  const Conditioning conditioning{.noise_labels = at::full({2}, 0.3)};
  const auto all = forward(m, x, conditioning, {.taps = {"block1", "block0", "block2"}});
  const std::vector<FeatureTap> taps = feature_taps(m.config);
  REQUIRE(taps.size() == 3);
  CHECK(taps[2].name == "block2");
  CHECK(all.features[2].sizes() == at::IntArrayRef({2, taps[2].channels, taps[2].height, taps[2].width}));
  CHECK_FALSE(all.features[0].equal(all.features[1]));
  CHECK(forward(m, x, conditioning).features.empty());

  m.blocks[2].second = {};  // whatever calls these would throw
  m.final_linear = {};
  const auto some = forward(m, x, conditioning, {.taps = {"block0", "block1"}, .output = false});
  CHECK_FALSE(some.output.defined());
  CHECK(some.features[0].equal(all.features[1]));
  CHECK(some.features[1].equal(all.features[0]));
  CHECK_THROWS_WITH(forward(m, x, conditioning, {.taps = {"block3"}, .output = false}),
                    Catch::Contains("block3") && Catch::Contains("block0, block1, block2"));
}

TEST_CASE("A recomputed DiT has the bits of one that keeps everything, and keeps less") {
  struct Result {
    at::Tensor output, feature, at_image, at_parameters;
  };
  const auto run = [](const std::string& recompute) {
    DitConfig config = kTiny();
    config.recompute = recompute;
    Dit m = awake(config);
    const FlatParameters flat = flatten(m);
    const at::Tensor x = normal({2, 3, 8, 8}, 3).set_requires_grad(true);
    const Conditioning conditioning{.noise_labels = at::full({2}, 0.3), .condition = {rows_of({0, 3}, 3)}};
    const NetworkOutput all = forward(m, x, conditioning, {.taps = {"block1"}});
    const at::Tensor loss = (all.output * normal({2, 6, 8, 8}, 4)).sum() + all.features[0].square().sum();
    loss.backward();
    return Result{all.output, all.features[0], x.grad(), flat.gradients};
  };
  const Result kept = run("none"), again = run("blocks");
  CHECK(again.output.equal(kept.output));
  CHECK(again.feature.equal(kept.feature));
  CHECK(again.at_image.equal(kept.at_image));
  CHECK(again.at_parameters.equal(kept.at_parameters));
  CHECK(kept.at_parameters.abs().sum().item<double>() > 0);

  DitConfig config{.recompute = "none"};
  const int64_t all = pass_cost(make_network(config, 0, at::kMeta)).activations;
  config.recompute = "blocks";
  CHECK(pass_cost(make_network(config, 0, at::kMeta)).activations < all / 5);
}

TEST_CASE("A DiT in bfloat16 is near the one in float32, at the largest noise level too") {
  const io::TensorFile file = test::golden_file("networks/dit_tiny");
  const Dit m = dit_of(file, at::kBFloat16);
  Conditioning conditioning = conditioning_of(file, at::kFloat);
  const at::Tensor output = forward(m, file.at("x").to(at::kBFloat16), conditioning).output;
  CHECK(output.scalar_type() == at::kBFloat16);
  CHECK(relative_error(output, file.at("out")) < 0.03);
}

TEST_CASE("A DiT that can't be built is refused with what is wrong") {
  const auto refused = [](const std::string& yaml, const std::string& why) {
    CHECK_THROWS_WITH(config::read<DitConfig>(config::parse(yaml, "dit.yaml")), Catch::Contains(why));
  };
  refused("{input_size: 33}", "input_size 33 is no multiple of patch_size 2");
  refused("{input_size: 1024}", "more than 256 x 256 tokens");
  refused("{num_heads: 7}", "hidden_size 384 can't be split among 7 heads");
  refused("{hidden_size: 18}", "hidden_size must be a multiple of 4");
  refused("{freq_shift: 2}", "freq_shift");
  refused("{norm_eps: 0}", "norm_eps");
  refused("{recompute: all}", "recompute");
}
