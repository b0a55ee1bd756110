// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "kernels/philox.h"
#include "networks/classifier.h"
#include "networks/head.h"
#include "networks/patch_discriminator.h"
#include "on_devices.h"

using namespace onestep;
using test::relative_error;

namespace {

at::Tensor noise(at::IntArrayRef shape, int64_t n) {
  return kernels::philox_normal(1, 0, at::arange(n), shape, at::kCPU);
}

}  // namespace

DEVICE_TEST_CASE("A discriminator gives one logit for each selected resolution", "[networks]") {
  const Heads on_cpu = make_heads({{"a", 16, 14, 14}, {"b", 32, 7, 7}, {"c", 8, 4, 4}}, 1),
              d = clone(on_cpu, device);
  CHECK(d.heads[0].second.convs.size() == 2);  // 14 → 7 → 4
  CHECK(d.heads[1].second.convs.size() == 1);
  CHECK(d.heads[2].second.convs.empty());
  std::vector<at::Tensor> features{noise({16, 14, 14}, 5), noise({32, 7, 7}, 5), noise({8, 4, 4}, 5)};
  const at::Tensor expected = forward(on_cpu, features);
  for (at::Tensor& feature : features) feature = feature.to(device);
  const at::Tensor logits = forward(d, features);
  CHECK(logits.sizes() == at::IntArrayRef{5, 3});
  CHECK(relative_error(logits, expected) < 1e-4);
  std::vector<at::Tensor> some;
  for (const at::Tensor& feature : features) some.push_back(feature.slice(0, 1, 3));
  CHECK(relative_error(forward(d, some), logits.slice(0, 1, 3)) < 1e-5);
  CHECK_THROWS_AS(forward(d, {features[0]}), c10::Error);
}

DEVICE_TEST_CASE("A patch discriminator gives a logit for each patch, which sees that patch alone",
                 "[networks]") {
  for (const auto& [levels, patch] : {std::pair<int64_t, int64_t>{1, 7}, {2, 15}, {3, 31}}) {
    INFO("levels " << levels);
    const PatchDiscriminator m =
        clone(make_patch_discriminator({.channels = 16, .levels = levels}, 3, 1), device);
    at::Tensor pictures = noise({3, 64, 64}, 2).to(device).requires_grad_(true);
    const at::Tensor logits = forward(m, pictures);
    const int64_t side = 64 >> levels;
    CHECK(logits.sizes() == at::IntArrayRef{2, side * side});
    CHECK(forward(m, noise({3, 13, 18}, 2).to(device)).dim() == 2);
    if (levels > 1) continue;  // a norm sees the whole picture
    logits[0][(side / 2) * side + side / 2].backward();
    const at::Tensor rows = pictures.grad()[0].abs().sum(at::IntArrayRef{0, 2});
    CHECK((rows > 1e-5 * rows.max()).sum().item<int64_t>() == patch);  // Winograd's zeros are rounded
    CHECK(pictures.grad()[1].eq(0).all().item<bool>());
  }
}

TEST_CASE("A patch discriminator's cost counts its convolutions") {
  const PatchDiscriminator m = make_patch_discriminator({.channels = 16, .levels = 2}, 3, 1, at::kMeta);
  CHECK(pass_cost(m, {3, 32, 32}).macs == 27 * 16 * 256 + 144 * 32 * 64 + 288 * 1 * 64);
}

TEST_CASE("A classifier file rebuilds the classifier") {
  Classifier m = make_classifier(
      {.img_resolution = 12, .img_channels = 1, .label_dim = 4, .channels = {8, 8}, .feature_dim = 6}, 2);
  m.feature_scale.fill_(2.5);
  const at::Tensor images = noise({1, 12, 12}, 3);
  const Classified seen = classify(m, images);
  CHECK(seen.features.sizes() == at::IntArrayRef{3, 6});
  CHECK(seen.logits.sizes() == at::IntArrayRef{3, 4});

  const auto path = std::filesystem::temp_directory_path() / "onestep_test_classifier.safetensors";
  save_classifier(path, m);
  const Classified again = classify(load_classifier(path, at::kCPU), images);
  CHECK(again.features.equal(seen.features));
  CHECK(again.logits.equal(seen.logits));

  m.feature_scale.fill_(5);
  CHECK(relative_error(classify(m, images).features, 2 * seen.features) < 1e-6);
  CHECK(
      classify(m, images).logits.equal(seen.logits));  // the scale is a unit, not a change of the classifier
  io::write_safetensors(path, {}, {});
  CHECK_THROWS_AS(load_classifier(path, at::kCPU), io::FileError);
}
