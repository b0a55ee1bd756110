// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "kernels/cuda_graph.h"
#include "kernels/philox.h"
#include "on_devices.h"

using namespace onestep::kernels;

namespace {

const at::Device kCuda(at::kCUDA, 0);

at::Tensor ones(int64_t n) {
  return at::full({n}, 1.0, at::TensorOptions().dtype(at::kFloat).device(kCuda));
}

}  // namespace

TEST_CASE("CUDA graphs: a recording computes nothing, and a replay computes it on what its inputs hold then",
          "[cuda_graph][gpu]") {
  if (!cuda_ready()) return;
  const GraphMaker graphs = cuda_graphs(kCuda);
  at::Tensor x = ones(1000), sum = ones(1000) * 0, kept;
  const Work work = [&] {
    kept = 2 * x;
    sum.add_(kept);
  };
  graphs.rehearse(work);
  CHECK(sum[0].item<float>() == 2);
  const Work replay = graphs.capture(work);
  CHECK(sum[0].item<float>() == 2);
  x.fill_(5);
  replay();
  CHECK(sum[999].item<float>() == 12);
  CHECK(kept[999].item<float>() == 10);
  x.fill_(7);
  replay();
  replay();
  CHECK(sum[0].item<float>() == 40);
}

TEST_CASE("CUDA graphs: backward passes and our kernels are recorded, with the bits of an eager run",
          "[cuda_graph][gpu]") {
  if (!cuda_ready()) return;
  const GraphMaker graphs = cuda_graphs(kCuda);
  at::Tensor indices = ones(64).to(at::kLong), weight = ones(32);
  weight.set_requires_grad(true);
  weight.mutable_grad() = ones(32) * 0;
  const Work work = [&] { (weight * philox_normal(7, 1, indices, {32}, kCuda)).sin().sum().backward(); };
  const auto gradient_of = [&](int64_t first, const Work& by) {
    indices.fill_(first);
    weight.mutable_grad().zero_();
    by();
    return weight.grad().clone();
  };
  for (int i = 0; i < 3; ++i) graphs.rehearse(work);
  const Work replay = graphs.capture(work);
  const at::Tensor one = gradient_of(1, replay), two = gradient_of(2, replay);
  CHECK(one.equal(gradient_of(1, work)));
  CHECK(two.equal(gradient_of(2, work)));
  CHECK_FALSE(one.equal(two));
}

TEST_CASE("CUDA graphs: work that waits for the device is refused, and the device goes on",
          "[cuda_graph][gpu]") {
  if (!cuda_ready()) return;
  const GraphMaker graphs = cuda_graphs(kCuda);
  at::Tensor x = ones(10);
  CHECK_THROWS_AS(graphs.capture([&] { x.mul_(x.sum().item<float>()); }), c10::Error);
  x.add_(1);
  CHECK(x.sum().item<float>() == 20);
  const Work replay = graphs.capture([&] { x.mul_(3); });  // and graphs can still be made
  replay();
  CHECK(x.sum().item<float>() == 60);
}
