// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "networks/inception_rule.h"
#include "on_devices.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::relative_error;

namespace {

const io::TensorFile& golden() {
  static const io::TensorFile file =
      io::read_safetensors(ONESTEP_GOLDEN "/evaluation/inception_rule.safetensors");
  return file;
}

/// The network of the golden file, not folded.
const Inception& rule() {
  static const Inception m = test::rule_inception(2015);
  return m;
}

const Inception& packed_rule() {
  static const Inception m = pack_for_cpu(fold_batch_norm(rule()));
  return m;
}

/// All that the golden file measures, under its names: features, and each block's activation of the first
/// image.
struct Measured {
  std::map<std::string, at::Tensor> features, blocks;
};

template <class Run>
Measured measure(const Inception& m, Run&& run) {
  const std::map<std::string, std::string> named = {
      {"MaxPool_1", "64"}, {"MaxPool_2", "192"}, {"Mixed_6e", "768"}};
  Measured all;
  std::map<std::string, std::vector<at::Tensor>> means;  // of the parts that the images went through in
  const InceptionOutput out = run([&](const std::string& block, const at::Tensor& activation) {
    all.blocks.try_emplace(block, activation[0].contiguous());
    if (named.contains(block)) means[named.at(block)].push_back(activation.mean({2, 3}));
  });
  for (const auto& [name, parts] : means) all.features[name] = at::cat(parts);
  all.features["2048"] = out.pool;
  all.features["logits_unbiased"] = out.logits;
  all.features["logits"] = out.logits + m.fc.bias;
  return all;
}

Measured measure(const Inception& m, const at::Tensor& images) {
  return measure(m, [&](const InceptionTap& tap) { return inception(m, images, tap); });
}

void check_features(const Measured& got, const std::string& prefix, double tolerance) {
  int found = 0;
  for (const auto& [name, expected] : golden().tensors) {
    if (!name.starts_with(prefix)) continue;
    INFO(name);
    CHECK(relative_error(got.features.at(name.substr(prefix.size())), expected) < tolerance);
    ++found;
  }
  CHECK(found >= 4);
}

void check_blocks(const Measured& got, double tolerance) {
  for (const auto& [name, activation] : got.blocks) {
    INFO(name);
    const auto expected = [&](const char* what) { return golden().at("block/" + name + "/" + what); };
    const int64_t stride = expected("stride").item<int64_t>();
    CHECK(relative_error(activation.flatten().slice(0, 0, {}, stride), expected("sample")) < tolerance);
    const at::Tensor wide = activation.to(at::kDouble);
    CHECK(relative_error(at::stack({wide.sum(), wide.square().sum()}), expected("sum_sumsq")) < tolerance);
  }
  CHECK(got.blocks.size() == 18);
}

/// Writes the rule's weights as `change` leaves them.
template <class Change>
std::filesystem::path write_changed(const TemporaryFolder& folder, Change&& change) {
  NamedTensors tensors = named_tensors(rule());
  change(tensors);
  io::write_safetensors(folder / "weights.safetensors", tensors);
  return folder / "weights.safetensors";
}

at::Tensor& find(NamedTensors& tensors, const std::string& name) {
  for (auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  throw std::out_of_range(name);
}

/// pytorch-fid's name → that of NVIDIA's file.
std::string google(std::string name) {
  for (const auto& [from, to] : std::map<std::string, std::string>{{".conv.weight", ".weight"},
                                                                   {".bn.bias", ".beta"},
                                                                   {".bn.running_mean", ".mean"},
                                                                   {".bn.running_var", ".var"}}) {
    if (!name.ends_with(from)) continue;
    const std::string path = name.substr(0, name.size() - from.size());
    for (const InceptionBlock& block : rule().blocks) {
      for (const InceptionBranch& branch : block.branches) {
        for (const InceptionConv& conv : branch.convs) {
          if (conv.name == path) return "layers." + conv.google_name + to;
        }
      }
    }
  }
  return name.starts_with("fc.") ? "output." + name.substr(3) : "";
}

}  // namespace

TEST_CASE("inception: names and rule are the reference's", "[inception][oracle]") {
  const auto order = nlohmann::json::parse(golden().metadata.at("case")).at("state_order");
  const NamedTensors tensors = named_tensors(rule());
  REQUIRE(order.size() == tensors.size());
  for (size_t k = 0; k < tensors.size(); ++k) CHECK(tensors[k].first == order[k]);
  // u is 0.2878936529159546 for (k, i) = (0, 1), and −0.35238707065582275 for (7, 5).
  CHECK(tensors[0].second.flatten()[1].item<double>() ==
        Approx(0.2878936529159546 * std::sqrt(6.0 / 27)).epsilon(1e-6));
  CHECK(tensors[7].second[5].item<double>() == Approx(-0.35238707065582275 * 0.1).epsilon(1e-6));
}

TEST_CASE("inception: torch-fidelity's network, batch norm not folded", "[inception][oracle]") {
  const Measured got = measure(rule(), golden().at("images"));
  check_features(got, "feature/", 1e-5);
  check_blocks(got, 1e-5);
}

TEST_CASE("inception: torch-fidelity's network, folded and packed", "[inception][oracle]") {
  const Measured got = measure(packed_rule(), golden().at("images"));
  check_features(got, "feature/", 1e-5);
  check_blocks(got, 1e-5);
}

TEST_CASE("inception: torch-fidelity's network in double", "[inception][oracle]") {
  // The reference is stored in float32, and computes positions of the resize in float32.
  const at::Tensor images = golden().at("images").narrow(0, 0, 2);
  const Measured plain = measure(clone(rule(), {}, at::kDouble), images);
  check_features(plain, "feature_f64_first2/", 1e-6);
  const Measured folded = measure(fold_batch_norm(clone(rule(), {}, at::kDouble)), images);
  for (const auto& [name, expected] : plain.features) {
    INFO(name);
    CHECK(relative_error(folded.features.at(name), expected) < 1e-13);
  }
}

TEST_CASE("inception: pytorch-fid's resize before the same network", "[inception][oracle]") {
  const at::Tensor unit = golden().at("images").to(at::kFloat) / 255;
  const at::Tensor resized = at::upsample_bilinear2d(unit, {299, 299}, /*align_corners=*/false) * 2 - 1;
  const Measured got = measure(
      packed_rule(), [&](const InceptionTap& tap) { return inception_resized(packed_rule(), resized, tap); });
  check_features(got, "pytorch_fid/", 1e-5);
}

TEST_CASE("inception: spatial features are seven channels of Mixed_6d, channels last", "[inception]") {
  at::Tensor mixed_6d;
  const InceptionOutput out = inception(packed_rule(), golden().at("images").narrow(0, 0, 2),
                                        [&](const std::string& block, const at::Tensor& x) {
                                          if (block == "Mixed_6d") mixed_6d = x;
                                        });
  REQUIRE(mixed_6d.sizes() == at::IntArrayRef({2, 768, 17, 17}));
  REQUIRE(out.spatial.sizes() == at::IntArrayRef({2, 2023}));
  for (const auto& [y, x, c] : {std::array{0, 0, 0}, {0, 0, 6}, {0, 16, 3}, {9, 4, 5}, {16, 16, 6}}) {
    CHECK(out.spatial[1][(y * 17 + x) * 7 + c].item<float>() == mixed_6d[1][c][y][x].item<float>());
  }
}

TEST_CASE("inception: images go through in passes, in order", "[inception]") {
  const Inception pairs = pack_for_cpu(fold_batch_norm(rule()), 2);
  const at::Tensor images = golden().at("images").narrow(0, 0, 3);
  std::vector<int64_t> passes;
  const InceptionOutput got = inception(pairs, images, [&](const std::string& block, const at::Tensor& x) {
    if (block == "Mixed_6d") passes.push_back(x.size(0));
  });
  CHECK(passes == std::vector<int64_t>{2, 1});
  const InceptionOutput whole = inception(packed_rule(), images);
  CHECK(relative_error(got.pool, whole.pool) < 1e-6);
  CHECK(relative_error(got.spatial, whole.spatial) < 1e-6);
  CHECK(relative_error(got.logits, whole.logits) < 1e-6);
  CHECK(inception(packed_rule(), images.narrow(0, 0, 0)).pool.sizes() == at::IntArrayRef({0, 2048}));
}

TEST_CASE("inception: grey images are three equal channels", "[inception]") {
  const at::Tensor grey = golden().at("images").narrow(0, 0, 1).narrow(1, 0, 1);
  const at::Tensor one = inception(packed_rule(), grey).pool;
  CHECK(relative_error(one, inception(packed_rule(), grey.expand({1, 3, 32, 32})).pool) < 1e-6);
}

TEST_CASE("inception: both namings load", "[inception]") {
  const TemporaryFolder folder;
  const auto path = write_changed(folder, [](NamedTensors& tensors) {
    tensors.emplace_back("Mixed_5b.branch1x1.bn.num_batches_tracked", at::arange(1));
  });
  const NamedTensors expected = named_tensors(rule()), got = named_tensors(read_inception(path));
  for (size_t k = 0; k < expected.size(); ++k) CHECK(at::equal(got[k].second, expected[k].second));
  const at::Tensor image = golden().at("images").narrow(0, 0, 1);
  CHECK(relative_error(inception(load_inception(path, at::kCPU), image).pool,
                       golden().at("feature/2048").narrow(0, 0, 1)) < 1e-5);

  const auto google_path = write_changed(folder, [](NamedTensors& tensors) {
    std::erase_if(tensors, [](const auto& named) { return named.first.ends_with(".bn.weight"); });
    for (auto& [name, tensor] : tensors) name = google(name);
  });
  for (const auto& [name, tensor] : named_tensors(read_inception(google_path))) {
    INFO(name);
    NamedTensors ours = expected;
    const bool scale = name.ends_with(".bn.weight");  // NVIDIA's file has none: it is 1
    CHECK(at::equal(tensor, scale ? at::ones_like(tensor) : find(ours, name)));
  }

  // The names themselves, from the released file.
  for (const auto& [ours, theirs] : std::map<std::string, std::string>{
           {"Conv2d_4a_3x3.conv.weight", "layers.conv_4.weight"},
           {"Mixed_5b.branch1x1.bn.bias", "layers.mixed.conv.beta"},
           {"Mixed_5d.branch_pool.bn.running_var", "layers.mixed_2.tower_2.conv.var"},
           {"Mixed_6a.branch3x3dbl_3.conv.weight", "layers.mixed_3.tower.conv_2.weight"},
           {"Mixed_6e.branch7x7dbl_5.bn.running_mean", "layers.mixed_7.tower_1.conv_4.mean"},
           {"Mixed_7a.branch7x7x3_4.conv.weight", "layers.mixed_8.tower_1.conv_3.weight"},
           {"Mixed_7b.branch3x3_2b.conv.weight", "layers.mixed_9.tower_mixed_conv_1.weight"},
           {"Mixed_7c.branch3x3dbl_3a.conv.weight", "layers.mixed_10.tower_1_mixed_conv.weight"},
           {"fc.weight", "output.weight"}}) {
    CHECK(google(ours) == theirs);
  }
}

TEST_CASE("inception: a file that is not the network says what is wrong", "[inception]") {
  const TemporaryFolder folder;
  const auto message = [&](auto&& change) {
    return file_error([&] { read_inception(write_changed(folder, change)); });
  };
  const std::string name = "Mixed_7c.branch_pool.bn.running_var";
  CHECK_THAT(message([](NamedTensors& t) { t.pop_back(); }),
             Contains("weights.safetensors") && Contains("fc.bias"));
  CHECK_THAT(message([](NamedTensors& t) { t.emplace_back("AuxLogits.fc.bias", at::arange(2)); }),
             Contains("weights.safetensors") && Contains("'AuxLogits.fc.bias' is not one of"));
  CHECK_THAT(message([&](NamedTensors& t) { find(t, name) = find(t, name).slice(0, 1); }),
             Contains("'" + name + "' has shape [191]") && Contains("[192]"));
  CHECK_THAT(message([&](NamedTensors& t) { find(t, name) = -find(t, name); }),
             Contains("'" + name + "' holds a negative variance"));
  CHECK_THAT(message([&](NamedTensors& t) {
               find(t, name) = find(t, name) * std::numeric_limits<float>::infinity();
             }),
             Contains("'" + name + "' holds numbers that are not finite"));
  CHECK_THAT(message([&](NamedTensors& t) { find(t, name) = find(t, name).to(at::kLong); }),
             Contains("'" + name + "' does not hold floating-point numbers"));
}

TEST_CASE("inception: CUDA agrees with the CPU", "[inception][gpu]") {
  if (!cuda_ready()) return;
  const at::Tensor images = golden().at("images").to(at::kCUDA);
  const Measured got = measure(clone(fold_batch_norm(rule()), at::kCUDA), images);
  for (const auto& [name, feature] : got.features) {
    INFO(name);
    CHECK(relative_error(feature.cpu(), golden().at("feature/" + name)) < 1e-4);
  }
}
