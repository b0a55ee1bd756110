// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cuda_plugin.h"
#include "kernels/cuda_sync.h"
#include "kernels/philox.h"
#include "on_devices.h"

using namespace onestep::kernels;

namespace {

/// The identity, whose way back reads a number of the device.
struct ReadsOnItsWayBack : torch::autograd::Function<ReadsOnItsWayBack> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& gradient) {
    return {gradient[0] * gradient[0].sum().item<double>()};
  }
};

}  // namespace

TEST_CASE("asking for CUDA works, or says in one clear line why not", "[cuda_plugin][gpu]") {
  // Twice: a failed load must fail the same way again.
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      const at::Tensor z = philox_normal(1, 2, at::zeros({1}, at::kLong), {4}, at::kCUDA);
      CHECK(z.is_cuda());
    } catch (const c10::Error& error) {
      const std::string message = error.what_without_backtrace();
      WARN(message);
      CHECK(message.starts_with("device cuda: "));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a launcher that the plugin lacks is named", "[cuda_plugin][gpu]") {
  try {
    cuda_symbol("onestep_no_such_kernel");
    FAIL("found a launcher that does not exist");
  } catch (const c10::Error& error) {
    CHECK(std::string(error.what_without_backtrace()).starts_with("device cuda: "));
  }
}

TEST_CASE("on CUDA float32 is whole, and the same work gives the same bits", "[cuda_plugin][gpu]") {
  if (!cuda_ready()) return;
  const at::Context& context = at::globalContext();
  CHECK(!context.allowTF32CuDNN());
  CHECK(!context.allowTF32CuBLAS());
  CHECK(!context.benchmarkCuDNN());
  CHECK(context.deterministicCuDNN());
  CHECK(context.deterministicAlgorithms());
}

TEST_CASE("waits for CUDA are found, those of a backward pass too, which runs in another thread",
          "[cuda_plugin][gpu]") {
  if (!cuda_ready()) return;
  const at::Device device(at::kCUDA, 0);
  const at::Tensor here = at::ones({3}), there = here.to(device), pinned = here.pin_memory();
  CHECK(cuda_syncs([&] { there.add(1).sum(); }).empty());
  CHECK(cuda_syncs([&] { pinned.to(device, at::kFloat, /*non_blocking=*/true); }).empty());
  CHECK(cuda_syncs([&] { there.cpu(); }).size() == 1);
  CHECK(cuda_syncs([&] { here.to(device); }).size() == 1);
  const std::vector<std::string> read = cuda_syncs([&] { there.sum().item<float>(); });
  REQUIRE(read.size() == 1);
  CHECK(read[0].find("item") != std::string::npos);

  const at::Tensor leaf = at::ones({3}, there.options()).requires_grad_();
  CHECK(cuda_syncs([&] { leaf.sum().backward(); }).empty());
  CHECK(cuda_syncs([&] { ReadsOnItsWayBack::apply(leaf).sum().backward(); }).size() == 1);
}
