// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "golden_file.h"
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
