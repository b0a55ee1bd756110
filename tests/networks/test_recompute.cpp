// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "kernels/philox.h"
#include "networks/cost.h"
#include "networks/denoiser.h"
#include "networks/recompute.h"

using namespace onestep;

namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU);
}

/// A network with attention, resampling, skips of its own and dropout, whose last layers are awake.
struct Unet {
  Denoiser denoiser;
  FlatParameters flat;

  explicit Unet(const std::string& recompute, const std::string& encoder = "standard")
      : denoiser(make_denoiser({.preconditioning = {},
                                .network = SongUNetConfig{.img_resolution = 8,
                                                          .img_channels = 2,
                                                          .label_dim = 3,
                                                          .model_channels = 8,
                                                          .channel_mult = {1, 2},
                                                          .num_blocks = 1,
                                                          .attn_resolutions = {4},
                                                          .dropout = 0.3,
                                                          .encoder_type = encoder}},
                               1)) {
    for (auto& [name, tensor] : named_tensors(denoiser))
      if (name.ends_with("conv1.weight") || name.ends_with("proj.weight") ||
          name.ends_with("aux_conv.weight"))
        tensor.mul_(1e4);
    set_recompute(denoiser, recompute);
    flat = flatten(denoiser);
  }

  at::Tensor forward(const at::Tensor& x, DropoutStream* masks) const {
    const at::Tensor labels = at::zeros({x.size(0), 3});
    labels.select(1, 1).fill_(1);
    return denoise(denoiser, x, at::full({x.size(0)}, 0.7), {.condition = {labels}, .masks = masks});
  }
};

struct Gradients {
  at::Tensor output, input, parameters;
  uint64_t layers;
};

Gradients gradients_of(const Unet& network) {
  const at::Tensor x = normal({3, 2, 8, 8}, 2).set_requires_grad(true);
  DropoutStream masks{.rate = 0.3, .seed = 5, .indices = at::arange(3)};
  const at::Tensor y = network.forward(x, &masks);
  (y * normal({3, 2, 8, 8}, 3)).sum().backward();
  return {y.detach(), x.grad(), network.flat.gradients.clone(), masks.layer};
}

}  // namespace

TEST_CASE("A recomputed network has the bits of one that keeps everything") {
  for (const std::string encoder : {"standard", "residual"}) {
    const Gradients kept = gradients_of(Unet("none", encoder)), again = gradients_of(Unet("blocks", encoder));
    CHECK(again.output.equal(kept.output));
    CHECK(again.input.equal(kept.input));
    CHECK(again.parameters.equal(kept.parameters));
    CHECK(again.layers == kept.layers);
    CHECK(kept.layers > 0);
    CHECK(kept.parameters.abs().sum().item<double>() > 0);
  }
}

TEST_CASE("The gradient at an image alone leaves a recomputed network's parameters alone") {
  const Unet network("blocks");
  at::Tensor x = normal({3, 2, 8, 8}, 2).set_requires_grad(true);
  network.forward(x, nullptr).sum().backward({}, /*retain_graph=*/true, false, std::vector<at::Tensor>{x});
  CHECK(x.grad().abs().sum().item<double>() > 0);
  CHECK(network.flat.gradients.abs().sum().item<double>() == 0);
  // The graph may be gone through once more.
  const at::Tensor first = x.grad().clone();
  x.mutable_grad() = at::Tensor();
  network.forward(x, nullptr).sum().backward({}, false, false, std::vector<at::Tensor>{x});
  CHECK(x.grad().equal(first));
}

TEST_CASE("What is recomputed is computed twice for a gradient, and once without") {
  int calls = 0;
  const TensorFunction f = [&](const std::vector<at::Tensor>& in) {
    ++calls;
    return in[0] * in[1];
  };
  const at::Tensor a = normal({4}, 1).set_requires_grad(true), b = normal({4}, 2);
  recomputed(f, {a, b}).sum().backward();
  CHECK(calls == 2);
  CHECK(a.grad().equal(b));
  calls = 0;
  {
    const c10::NoGradGuard no_grad;
    CHECK_FALSE(recomputed(f, {a, b}).requires_grad());
  }
  CHECK(calls == 1);
  calls = 0;
  CHECK_FALSE(recomputed(f, {a.detach(), b}).requires_grad());
  CHECK(calls == 1);
}

TEST_CASE("A recomputed network is known to keep less, and other networks can't") {
  const int64_t kept = pass_cost(Unet("none").denoiser).activations;
  CHECK(pass_cost(Unet("blocks").denoiser).activations < 0.7 * static_cast<double>(kept));
  Denoiser mlp = make_denoiser({.preconditioning = {}, .network = MlpConfig{.dim = 2}}, 1);
  set_recompute(mlp, "none");
  CHECK_THROWS_WITH(set_recompute(mlp, "blocks"), Catch::Contains("mlp has no blocks"));
}
