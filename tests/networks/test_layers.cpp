// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "golden_file.h"
#include "kernels/philox.h"
#include "networks/unet_block.h"
#include "on_devices.h"

using namespace onestep;
using test::relative_error;

namespace {

/// `module` with the file's numbers below `prefix`, on the file's device.
template <class M>
M loaded(M module, const io::TensorFile& file, const std::string& prefix) {
  return with_tensors_of(file, module, file.tensors.begin()->second.device(), at::kFloat, prefix);
}

}  // namespace

DEVICE_TEST_CASE("Convolutions with every resampling equal the reference", "[networks]") {
  const io::TensorFile file = test::golden_file("networks/ops", device);
  const auto convs = nlohmann::json::parse(file.metadata.at("case")).at("convs");
  for (const auto& [name, c] : convs.items()) {
    INFO(name);
    const Resample resample = c.value("up", false)     ? Resample::up
                              : c.value("down", false) ? Resample::down
                                                       : Resample::none;
    Initializer init;
    Conv2d conv = make_conv(
        init, {c.at("in_channels"), c.at("out_channels"), c.at("kernel"), resample,
               c.value("resample_filter", std::vector<double>{1, 1}), c.value("fused_resample", false)});
    if (conv.resample_filter.defined()) {
      CHECK(relative_error(conv.resample_filter, file.at(name + "/resample_filter")) < 1e-6);
    }
    conv = loaded(conv, file, name + "/");
    CHECK(relative_error(forward(conv, file.at(name + "/x")), file.at(name + "/y")) < 1e-5);
    if (conv.box && !conv.fused) {  // the shortcut against the filter itself
      conv.box = false;
      CHECK(relative_error(forward(conv, file.at(name + "/x")), file.at(name + "/y")) < 1e-5);
    }
  }
}

DEVICE_TEST_CASE("Group normalisation, embeddings and attention equal the reference", "[networks]") {
  const io::TensorFile file = test::golden_file("networks/ops", device);
  const GroupNorm norm = loaded(make_group_norm(Initializer(), 160, 1e-6), file, "groupnorm/");
  CHECK(relative_error(forward(norm, file.at("groupnorm/x")), file.at("groupnorm/y")) < 1e-5);

  const at::Tensor labels = file.at("embedding/labels");
  const auto error = [](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
  };
  CHECK(error(positional_embedding(labels, 16, true), file.at("embedding/positional_16_endpoint")) < 1e-4);
  CHECK(error(positional_embedding(labels, 16, false), file.at("embedding/positional_16_noendpoint")) < 1e-4);
  CHECK(error(positional_embedding(labels, 12, true), file.at("embedding/positional_12_endpoint")) < 1e-4);
  CHECK(error(fourier_embedding(file.at("embedding/fourier_labels"), file.at("embedding/fourier_freqs")),
              file.at("embedding/fourier_16")) < 1e-4);

  // attend(q, k, 1) with v the identity over positions gives the weights themselves.
  const at::Tensor q = file.at("attention/q");
  const at::Tensor weights = file.at("attention/w");
  const at::Tensor identity = at::eye(weights.size(2), weights.options());
  const at::Tensor read = attend(q, file.at("attention/k"), identity.expand({q.size(0), -1, -1}));
  CHECK(relative_error(read.transpose(1, 2), weights) < 1e-5);
}

DEVICE_TEST_CASE("A block of ADM with two heads equals the reference", "[networks]") {
  const auto file = test::golden_file_if_there("networks/ops_block_2heads", device);
  if (!file) return;
  Initializer init;
  const UNetBlock block = loaded(
      make_unet_block(init, adm_style(24), {.in = 32, .out = 128, .attention = true}), *file, "weights/");
  const at::Tensor x = file->at("x").clone().set_requires_grad(true);
  const at::Tensor embedding = file->at("emb").clone().set_requires_grad(true);
  const at::Tensor y = forward(block, x, embedding, nullptr);
  CHECK(relative_error(y, file->at("y")) < 1e-5);
  (y * file->at("v")).sum().backward();
  CHECK(relative_error(x.grad(), file->at("grad/x")) < 1e-5);
  CHECK(relative_error(embedding.grad(), file->at("grad/emb")) < 1e-5);
}

namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU).to(at::kDouble);
}

/// The formula: v softmax(qᵀk/√C)ᵀ.
at::Tensor attention_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(1)));
  return v.matmul((q.transpose(1, 2).matmul(k) * scale).softmax(-1).transpose(1, 2));
}

}  // namespace

TEST_CASE("Each head attends by 64 channels of its own, of which q, k and v are every third of qkv's") {
  Initializer init;
  UNetBlock block = make_unet_block(init, adm_style(8), {.in = 128, .out = 128, .attention = true});
  for_each_tensor(block, [&](const std::string&, at::Tensor& t, bool) { t = normal(t.sizes(), 3) * 0.1; });
  const at::Tensor x = normal({2, 128, 3, 3}, 4), embedding = normal({2, 8}, 5);
  UNetBlock without = block;
  without.attention = {};
  const at::Tensor h = forward(without, x, embedding, nullptr);
  const auto& [norm2, qkv_conv, proj, heads] = *block.attention;
  CHECK(heads == 2);
  const at::Tensor qkv = forward(qkv_conv, forward(norm2, h)).flatten(2);
  std::vector<at::Tensor> mixed;
  for (int64_t head = 0; head < 2; ++head) {
    const auto part = [&](int64_t which) {
      return qkv.slice(1, 3 * 64 * head + which, 3 * 64 * (head + 1), 3);
    };
    mixed.push_back(attention_of(part(0), part(1), part(2)));
  }
  const at::Tensor expected = h + forward(proj, at::cat(mixed, 1).reshape(h.sizes()));
  CHECK(relative_error(forward(block, x, embedding, nullptr), expected) < 1e-12);
}

TEST_CASE("Attention is its formula's, with gradients, called from the library or not") {
  for (const int64_t positions : {9, 600}) {
    CHECK(fuses_attention(positions) == (positions == 600));
    const at::Tensor v = normal({2, 16, positions}, 9);
    const auto passes = [&](auto&& attention, at::ScalarType dtype) {
      std::vector<at::Tensor> leaves, all;
      for (const uint64_t seed : {1, 2, 3})
        leaves.push_back(normal({2, 16, positions}, seed).to(dtype).set_requires_grad(true));
      all.push_back(attention(leaves[0], leaves[1], leaves[2]));
      (all[0] * v).sum().backward();
      for (const at::Tensor& leaf : leaves) all.push_back(leaf.grad());
      return all;
    };
    const auto expected = passes(attention_of, at::kDouble);
    const auto wide = passes(attend, at::kDouble), narrow = passes(attend, at::kFloat);
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK(relative_error(wide[i], expected[i]) < 1e-12);
      CHECK(relative_error(narrow[i], expected[i]) < 1e-5);
    }
  }
}

TEST_CASE("Initial weights are Glorot-uniform, counter-based and apart") {
  Initializer init{.seed = 3};
  const Linear a = make_linear(init, 300, 500);
  const Linear b = make_linear(init, 300, 500);
  const double bound = std::sqrt(6.0 / 800);
  CHECK(a.weight.abs().max().item<double>() <= bound);
  CHECK(a.weight.square().mean().item<double>() == Approx(bound * bound / 3).epsilon(0.01));
  CHECK(std::abs(a.weight.mean().item<double>()) < 1e-3);
  CHECK_FALSE(a.weight.equal(b.weight));
  Initializer again{.seed = 3};
  CHECK(make_linear(again, 300, 500).weight.equal(a.weight));
}

TEST_CASE("Dropout masks depend on image and layer, not on the batch") {
  const at::Tensor x = at::arange(1, 4 * 50 + 1, at::kFloat).reshape({4, 50});
  DropoutStream whole{.rate = 0.4, .seed = 5, .indices = at::arange(4)};
  const at::Tensor dropped = dropout(x, &whole);
  DropoutStream half{.rate = 0.4, .seed = 5, .indices = at::arange(2, 4)};
  CHECK(dropout(x.slice(0, 2, 4), &half).equal(dropped.slice(0, 2, 4)));
  CHECK_FALSE(dropout(x, &whole).equal(dropped));  // the next layer
  const at::Tensor kept = dropped != 0;
  CHECK(kept.to(at::kFloat).mean().item<double>() == Approx(0.6).margin(0.1));
  CHECK(relative_error(dropped.masked_select(kept), (x / 0.6).masked_select(kept)) < 1e-6);
  CHECK(dropout(x, nullptr).is_same(x));
}
