// SPDX-License-Identifier: Apache-2.0
// bench_roofline [THREADS] [bfloat16]: what this machine gives in the two operations that networks consist
// of, matrix products and 3 x 3 convolutions of LibTorch, without any rule about bits: what shares of a peak
// are shares of. A line of JSON for each shape, the median of the repeats; in float32, or in bfloat16, which
// is worth asking for where the CPU has avx512_bf16 or AMX.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "bench.h"

using namespace onestep;

namespace {

constexpr double kEnough = 0.4;  // seconds for each shape
constexpr int kLeast = 5, kMost = 200;

template <class Work>
void measure(const std::string& what, at::ScalarType dtype, double flop, Work work) {
  bench::Timed timed;
  work();  // chooses kernels, packs weights
  const double start = bench::now();
  for (int i = 0; i < kLeast || (i < kMost && bench::now() - start < kEnough); ++i) timed(at::kCPU, work);
  auto line = bench::figures<nlohmann::ordered_json>(what, 1, timed);
  line["gflop"] = 1e-9 * flop;
  line["dtype"] = dtype == at::kFloat ? "float32" : "bfloat16";
  std::printf("%s\n", line.dump().c_str());
}

void product(at::ScalarType dtype, int64_t m, int64_t k, int64_t n) {
  const at::Tensor a = at::randn({m, k}).to(dtype), b = at::randn({k, n}).to(dtype);
  measure(c10::str("matrix product ", m, " x ", k, " x ", n), dtype,
          2.0 * static_cast<double>(m) * static_cast<double>(k * n), [&] { at::mm(a, b); });
}

/// Forward, and forward with both gradients.
void convolution(at::ScalarType dtype, at::MemoryFormat layout, int64_t n, int64_t channels, int64_t size) {
  const at::Tensor x = at::randn({n, channels, size, size}).to(dtype).contiguous(layout).requires_grad_(),
                   w = at::randn({channels, channels, 3, 3}).to(dtype).contiguous(layout).requires_grad_();
  const at::Tensor gradient = x.detach().clone(layout);
  const auto forward = [&] { return at::conv2d(x, w, {}, 1, 1); };
  const double flop =
      2.0 * 9 * static_cast<double>(channels * channels) * static_cast<double>(n * size * size);
  const std::string what = c10::str("convolution of ", n, " x ", channels, " x ", size, " x ", size,
                                    layout == at::MemoryFormat::ChannelsLast ? ", channels-last" : "");
  measure(what, dtype, flop, forward);
  measure(what + ", with backward", dtype, 3 * flop, [&] { forward().backward(gradient); });
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (threads < 1) return std::fprintf(stderr, "usage: bench_roofline [THREADS] [bfloat16]\n"), 2;
  at::set_num_threads(threads);
  const at::ScalarType dtype =
      argc > 2 && std::string_view(argv[2]) == "bfloat16" ? at::kBFloat16 : at::kFloat;
  product(dtype, 2048, 2048, 2048);
  product(dtype, 6272, 144, 16);  // a convolution of the quickstart's network as a product
  for (const at::MemoryFormat layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    convolution(dtype, layout, 32, 16, 14);  // of the quickstart's network
    convolution(dtype, layout, 16, 32, 32);  // of EDM's with 16 base channels
    convolution(dtype, layout, 16, 128, 16);
  }
  return 0;
}
