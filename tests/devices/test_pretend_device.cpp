// SPDX-License-Identifier: Apache-2.0
// The pretended device itself: the CPU's bits, and CUDA's strictness.
#include <csignal>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "devices/pretend_device.h"
#include "kernels/philox.h"
#include "kernels/resize_tf1.h"
#include "kernels/score_difference.h"

using namespace onestep;
using namespace onestep::test;

namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed = 1) {
  return kernels::philox_normal(seed, 0, at::arange(shape[0]), shape.slice(1), at::kCPU);
}

/// What f makes of tensors on the device, against what it makes of them on the CPU.
template <class F, class... T>
void same_bits(F f, const T&... inputs) {
  const at::Tensor here = f(inputs...), there = f(inputs.to(pretend_device())...);
  CHECK(there.device() == pretend_device());
  CHECK(there.cpu().equal(here));
}

size_t syncs_of(const std::function<void()>& action) {
  reset_pretend_syncs();
  action();
  return pretend_syncs().size();
}

}  // namespace

TEST_CASE("the pretended device computes what the CPU does") {
  const at::Tensor a = normal({4, 6}), b = normal({4, 6}, 2), c = normal({6, 5}, 3);
  same_bits([](auto x, auto y) { return x * 2 + y / x - 1.5; }, a, b);
  same_bits([](auto x, auto y) { return at::matmul(x, y).softmax(1); }, a, c);
  same_bits([](auto x) { return std::get<0>(x.flatten().sort()); }, a);
  same_bits([](auto x, auto y) { return at::cat({x, y}, 1).abs().pow(0.3).mean(0); }, a, b);
  same_bits([](auto x) { return x.t().reshape({2, -1}).select(1, 1).unsqueeze(0).expand({3, 2}); }, a);
  same_bits([](auto x) { return x.index_select(0, at::arange(3, x.options().dtype(at::kLong))); }, a);
  same_bits([](auto x) { return at::linspace(0, 1, 7, x.options()) + x[0][0]; }, a);
  same_bits([](auto x) { return (x > 0).logical_and(x.isfinite()).to(at::kFloat).sum(); }, a);
  CHECK(at::empty({3}, at::device(pretend_device())).isnan().all().cpu().item<bool>());
}

TEST_CASE("views of the pretended device share memory, and in-place operations write to it") {
  const at::Tensor x = at::zeros({3, 4}, at::device(pretend_device()));
  x.select(0, 1).narrow(0, 1, 2).fill_(5).add_(1);
  x.view({-1})[11] = 2;
  at::Tensor expected = at::zeros({3, 4});
  expected[1][1] = expected[1][2] = 6;
  expected[2][3] = 2;
  CHECK(x.cpu().equal(expected));
  at::Tensor out = at::empty({0}, at::device(pretend_device()));
  at::arange_out(out, 5);  // an operation that resizes what it is given
  CHECK(out.cpu().equal(at::arange(5).to(at::kFloat)));
}

TEST_CASE("gradients of a small convolutional network have the CPU's bits") {
  const at::Tensor x = normal({5, 3, 6, 6}), weight = normal({8, 3, 3, 3}, 2), bias = normal({8}, 3);
  const auto gradients = [&](at::Device device) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& t : {x, weight, bias}) leaves.push_back(t.to(device).detach().requires_grad_());
    const at::Tensor h = at::conv2d(leaves[0], leaves[1], leaves[2], {1, 1}, {1, 1});
    const at::Tensor y = at::silu(at::group_norm(h, 2)).flatten(1).logsumexp(1).sum();
    // Through a gradient's own graph, and only to what is asked for.
    const at::Tensor slope =
        torch::autograd::grad({y}, {leaves[0]}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
    y.backward({}, /*retain_graph=*/true, /*create_graph=*/false, std::vector<at::Tensor>{leaves[0]});
    slope.square().sum().backward();
    std::vector<at::Tensor> all;
    for (const at::Tensor& leaf : leaves) all.push_back(leaf.grad().detach().cpu());
    return all;
  };
  const auto here = gradients(at::kCPU), there = gradients(pretend_device());
  for (size_t i = 0; i < here.size(); ++i) CHECK(there[i].equal(here[i]));
}

TEST_CASE("lists of tensors are updated in place") {
  const auto updated = [&](at::Device device) {
    std::vector<at::Tensor> t;
    for (uint64_t i = 0; i < 4; ++i) t.push_back(normal({9}, i).abs().to(device));
    const at::Tensor step = at::ones({}, at::device(device));
    at::_fused_adamw_({t[0]}, {t[1]}, {t[2]}, {t[3]}, {}, {step}, 0.1, 0.9, 0.99, 0.01, 1e-8, false, false,
                      {}, {});
    return t[0].cpu();
  };
  CHECK(updated(pretend_device()).equal(updated(at::kCPU)));
}

TEST_CASE("tensors of two devices do not mix, and numbers are taken") {
  const at::Tensor there = normal({4}).to(pretend_device()), here = normal({4}), index = at::arange(2);
  const auto refused = Catch::Contains("Expected all tensors to be on the same device");
  CHECK_THROWS_WITH(there + here, refused);
  CHECK_THROWS_WITH(there.mul_(here), refused);
  CHECK_THROWS_WITH(at::cat({there, here}), refused);
  CHECK_THROWS_WITH(there.index_select(0, index), refused);
  CHECK_THROWS_WITH(there.index({index}), refused);
  CHECK_THROWS_WITH(there * here[0], refused);
  CHECK((2 - there).cpu().equal(2 - here));
}

TEST_CASE("what makes the host wait is counted") {
  const at::Tensor here = normal({4});
  const at::Tensor there = here.to(pretend_device());
  CHECK(syncs_of([&] { there.add(1).sum(); }) == 0);
  CHECK(syncs_of([&] { there.sum().item<float>(); }) == 1);
  CHECK(syncs_of([&] { there.cpu(); }) == 1);
  CHECK(syncs_of([&] { here.to(pretend_device()); }) == 1);
  CHECK(syncs_of([&] { here.to(pretend_device(), at::kFloat, /*non_blocking=*/true); }) == 1);
  const at::Tensor pinned = here.pin_memory();
  CHECK(syncs_of([&] { pinned.to(pretend_device(), at::kFloat, /*non_blocking=*/true); }) == 0);
  CHECK(syncs_of([&] { there.equal(there); }) == 1);
  CHECK(syncs_of([&] { there.nonzero(); }) == 1);
  CHECK(syncs_of([&] { there.index({there > 0}); }) == 1);
}

TEST_CASE("the host cannot read the memory of the pretended device") {
  const at::Tensor there = at::ones({4}).to(pretend_device());
  const float* const data = there.const_data_ptr<float>();
  CHECK(*static_cast<const float*>(host_address(data)) == 1);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    std::signal(SIGBUS, SIG_DFL);
    ::_exit(*const_cast<const volatile float*>(data) == 1 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("our own kernels run through launchers, which take addresses of the device only") {
  const at::Device device = pretend_device();
  const at::Tensor indices = at::arange(5), moved = indices.to(device);
  const auto noise = [&](const at::Tensor& keys, at::Device where) {
    return kernels::philox_normal(3, 4, keys, {7}, where).cpu();
  };
  CHECK(noise(moved, device).equal(noise(indices, at::kCPU)));
  CHECK(noise(indices, device).equal(noise(indices, at::kCPU)));
  CHECK(syncs_of([&] { kernels::philox_normal(3, 4, moved, {7}, device); }) == 0);
  CHECK_THROWS_WITH(noise(moved, at::kCPU), Catch::Contains("philox: indices on"));

  same_bits(
      [](auto y, auto p, auto q, auto h) {
        const at::Tensor leaf = y.detach().requires_grad_();
        kernels::score_difference_loss(leaf, p, q, h, kernels::Normalisation::sid).sum().backward();
        return leaf.grad();
      },
      normal({5, 3}), normal({5, 3}, 2), normal({5, 3}, 3), normal({5}, 4).abs());
  const at::Tensor bytes = (normal({2, 3, 5, 5}).abs() * 40).to(at::kByte);
  same_bits([](auto images) { return kernels::resize_tf1(images, 9, 8); }, bytes);
  CHECK_THROWS_WITH(host_address(bytes.data_ptr()), Catch::Contains("an address of the host"));
}
