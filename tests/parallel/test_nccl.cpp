// SPDX-License-Identifier: Apache-2.0
// NCCL on the one GPU that a machine may have: a group of one.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "kernels/cuda_graph.h"
#include "on_devices.h"
#include "parallel/nccl.h"

using namespace onestep;

TEST_CASE(
    "NCCL: a group of one opens and gives back what it is given, while work is recorded as a graph, too",
    "[nccl][gpu]") {
  if (!cuda_ready()) return;
  const at::Device device(at::kCUDA, 0);
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto group = open_nccl(store, 0, 1, device, std::chrono::seconds(60));
  const at::Tensor expected = at::arange(1000, at::TensorOptions().dtype(at::kFloat).device(device));
  const auto reduced = [&] {
    std::vector<at::Tensor> tensors{expected.clone()};
    group->allreduce(tensors)->wait();
    return tensors.front();
  };
  CHECK(reduced().equal(expected));
  std::vector<at::Tensor> told{expected.clone()};
  group->broadcast(told)->wait();
  CHECK(told.front().equal(expected));
  // NCCL's own threads look after its work meanwhile: a recording is of its thread alone.
  const auto graphs = kernels::cuda_graphs(device);
  at::Tensor x = expected.clone();
  reduced();
  const kernels::Work replay = graphs.capture([&] { x.add_(1); });
  replay();
  CHECK(x.equal(expected + 1));
  CHECK(reduced().equal(expected));
}
