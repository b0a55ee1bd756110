// SPDX-License-Identifier: Apache-2.0
// Each kernel against the ATen operators it replaces, one thread, alternating runs, medians. A kernel whose
// ratio is not above 1 should go. Run by hand:  bench_kernels [cuda] [--json]
#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <malloc.h>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mkldnn_reorder_conv2d_weight.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "kernels/adamw.h"
#include "kernels/cuda_plugin.h"
#include "kernels/group_norm_silu.h"
#include "kernels/linear.h"
#include "kernels/philox.h"
#include "kernels/prepared_conv.h"
#include "kernels/resize_tf1.h"
#include "kernels/score_difference.h"
#include "kernels/winograd_conv.h"

using namespace onestep::kernels;

namespace {

/// The shape that what follows is about, and whether to print lines of JSON.
std::string about;
bool json = false;

void announce(at::IntArrayRef shape) {
  about = c10::str(" ", shape);
  if (!json) std::printf("%s\n", about.c_str() + 1);
}

template <class Ours, class Composed>
void compare(at::Device device, const char* name, double elements, Ours ours, Composed composed) {
  const int calls = device.is_cpu() ? 1 : 20;  // in a row: waiting for a GPU takes longer than its work
  const auto all = [&](const auto& work) {
    return [&] {
      for (int i = 0; i < calls; ++i) work();
    };
  };
  onestep::bench::Timed a, b;
  for (int run = 0; run < 41; ++run) {
    a(device, all(ours));
    b(device, all(composed));
  }
  if (json) {
    const std::string what = c10::str(name + std::string_view(name).find_first_not_of(' '), about);
    for (const auto& [side, timed] : {std::pair{"OneStep", &a}, {"ATen", &b}}) {
      auto line = onestep::bench::figures<nlohmann::ordered_json>(what, elements * calls, *timed);
      line["side"] = side;
      std::printf("%s\n", line.dump().c_str());
    }
    return;
  }
  const double x = onestep::bench::median(a.wall) / calls, y = onestep::bench::median(b.wall) / calls;
  std::printf("%-44s %8.1f M/s, ATen %8.1f M/s, ratio %5.2f\n", name, elements / x * 1e-6,
              elements / y * 1e-6, y / x);
}

/// TF1's bilinear resize out of gathers, as reference implementations compose it.
at::Tensor composed_resize(const at::Tensor& images) {
  const auto axis = [&](at::Tensor x, int64_t dim) {
    const int64_t in = x.size(dim);
    const at::Tensor source = at::arange(299, x.options()) * (static_cast<double>(in) / 299);
    const at::Tensor low = source.to(at::kLong);
    std::vector<int64_t> along(4, 1);
    along[dim] = 299;
    const at::Tensor weight = (source - low).view(along), from = x.index_select(dim, low);
    return from + (x.index_select(dim, (low + 1).clamp_max(in - 1)) - from) * weight;
  };
  return (axis(axis(images.to(at::kFloat), 3), 2) - 128) / 128;
}

/// SiLU of a group norm of x plus what an embedding adds to its channels, as every block of a U-Net has it;
/// each in the layout that it is best at.
void compare_group_norm(at::Device device, at::IntArrayRef shape, at::ScalarType dtype, bool backward) {
  const int64_t channels = shape[1], groups = std::min<int64_t>(32, channels / 4);
  const at::Tensor index = at::arange(shape[0], at::device(device).dtype(at::kLong));
  const at::Tensor x = philox_normal(1, 1, index, shape.slice(1), device).to(dtype);
  const at::Tensor weight = at::ones({channels}, x.options()),
                   told = x.select(3, 0).select(2, 0).contiguous();
  const auto run = [&](at::MemoryFormat layout, const auto& forward) {
    return
        [&, input = x.contiguous(layout).detach().requires_grad_(backward), gradient = x.contiguous(layout),
         terms = std::vector{weight.clone().requires_grad_(backward), told.clone().requires_grad_(backward)},
         forward] {
          const at::Tensor y = forward(input, terms[0], terms[1]);
          if (backward) y.backward(gradient);
          return y;
        };
  };
  const std::string name =
      c10::str("  group_norm_silu", backward ? " + backward" : "", dtype == at::kFloat ? "" : ", bf16");
  compare(
      device, name.c_str(), static_cast<double>(x.numel()),
      run(at::MemoryFormat::ChannelsLast,
          [=](const at::Tensor& in, const at::Tensor& w, const at::Tensor& p) {
            return group_norm_silu(in, groups, {w, w, p}, 1e-6);
          }),
      run(at::MemoryFormat::Contiguous, [=](const at::Tensor& in, const at::Tensor& w, const at::Tensor& p) {
        return at::silu(at::group_norm(in + p.unsqueeze(2).unsqueeze(3), groups, w, w, 1e-6));
      }));
}

/// A layer as `ours` and `library` compute it, images channels-last; counted are the products of the formula.
template <class Ours, class Library>
void compare_layer(const std::string& name, at::IntArrayRef shape, at::IntArrayRef weights, bool backward,
                   const Ours& ours, const Library& library) {
  const auto layout = [](const at::Tensor& t) {
    return t.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t;
  };
  const at::Tensor index = at::arange(shape[0], at::kLong), rows = at::arange(weights[0], at::kLong);
  const at::Tensor x = layout(philox_normal(1, 1, index, shape.slice(1), at::kCPU)).requires_grad_(backward);
  const at::Tensor weight = philox_normal(1, 2, rows, weights.slice(1), at::kCPU).requires_grad_(backward);
  const at::Tensor bias = philox_normal(1, 3, rows, {1}, at::kCPU).flatten().requires_grad_(backward);
  const at::Tensor gradient = ours(x, weight, bias).detach();
  const auto run = [&](const auto& layer) {
    return [&, layer] {
      const at::Tensor y = layer(x, weight, bias);
      if (backward) y.backward(gradient);
      for (const at::Tensor& leaf : {x, weight, bias}) leaf.mutable_grad().reset();
      return y;
    };
  };
  const double products = static_cast<double>(x.numel() / x.size(1)) * static_cast<double>(weight.numel());
  compare(at::kCPU, ("  " + name + c10::str(" to ", weights[0], backward ? " + backward" : "")).c_str(),
          products * (backward ? 3 : 1), run(ours), run(library));
}

/// The 3 × 3 convolutions of a U-Net's blocks.
void compare_conv(at::IntArrayRef shape, int64_t out, bool backward) {
  compare_layer("winograd_conv, conv2d", shape, {out, shape[1], 3, 3}, backward, winograd_conv,
                [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
                  return at::conv2d(x, weight, bias, {1, 1}, {1, 1});
                });
}

/// Its 1 × 1 convolutions, and linear layers.
void compare_linear(at::IntArrayRef shape, int64_t out, bool backward) {
  const std::vector<int64_t> matrix{out, shape[1]}, kernel{out, shape[1], 1, 1};
  const bool images = shape.size() == 4;
  compare_layer(images ? "linear, conv2d" : "linear, linear", shape, images ? kernel : matrix, backward,
                linear, [=](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
                  return images ? at::conv2d(x, weight, bias) : at::linear(x, weight, bias);
                });
}

/// A convolution of Inception with bias and ReLU, weights packed ahead on both sides: oneDNN's in the layout
/// that it is best at, as an operator of LibTorch's compiler. Counted are the products of a direct one.
void compare_prepared(at::IntArrayRef shape, int64_t out, std::array<int64_t, 2> size,
                      std::array<int64_t, 2> padding) {
  const c10::NoGradGuard no_grad;
  const at::Tensor index = at::arange(shape[0], at::kLong), rows = at::arange(out, at::kLong);
  const at::Tensor x =
      philox_normal(1, 1, index, shape.slice(1), at::kCPU).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weight = philox_normal(1, 2, rows, {shape[1], size[0], size[1]}, at::kCPU);
  const at::Tensor bias = philox_normal(1, 3, rows, {1}, at::kCPU).flatten();
  const at::Tensor packed =
      at::mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), padding, {1, 1}, {1, 1}, 1, shape);
  const auto direct =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  const PreparedConv prepared = *prepare_conv(weight, bias, padding);
  const auto products = static_cast<double>(conv_relu(prepared, x).numel() * shape[1] * size[0] * size[1]);
  compare(
      at::kCPU, c10::str("  conv_relu ", size[0], " x ", size[1], " to ", out, ", packed conv2d").c_str(),
      products, [&] { return conv_relu(prepared, x); },
      [&] {
        return direct.call(x, packed, bias, padding, {1, 1}, {1, 1}, 1, "relu",
                           c10::List<std::optional<at::Scalar>>(), "");
      });
}

/// A whole update of P parameters with one average and a shadow, norm and all.
void compare_adamw(at::Device device, int64_t size) {
  const auto options = at::device(device).dtype(at::kFloat);
  const auto zeros = [&](at::IntArrayRef shape) { return at::zeros(shape, options); };
  const AdamwConfig config{.weight_decay = 0.01, .clip_norm = 1, .clip_value = 0.1};
  const auto work = [&] {
    return AdamwState{zeros({size}),
                      zeros({size}),
                      zeros({size}),
                      zeros({size}),
                      zeros({}),
                      zeros({}),
                      at::zeros({size}, options.dtype(at::kBFloat16))};
  };
  const AdamwState ours = work(), theirs = work();
  const MovingAverage average{zeros({size}), at::full({}, 1e-3, options.dtype(at::kDouble))};
  const at::Tensor rate = at::full({}, 1e-3, options.dtype(at::kDouble)), composed_average = zeros({size});
  compare(
      device, c10::str("adamw_step, ", size, " parameters").c_str(), static_cast<double>(size),
      [&] { adamw_step(ours, config, rate, at::linalg_vector_norm(ours.gradients), {}, {average}); },
      [&] {
        at::Tensor gradients = theirs.gradients, skipped = theirs.skipped, step = theirs.step;
        const at::Tensor norm = at::linalg_vector_norm(gradients);
        const at::Tensor not_finite = at::isfinite(norm).logical_not().to(at::kFloat);
        gradients.mul_(at::clamp(config.clip_norm / (norm + 1e-6), {}, 1));
        gradients.clamp_(-config.clip_value, config.clip_value);
        step.add_(1 - not_finite);
        skipped.add_(1).mul_(not_finite);
        at::_fused_adamw_({theirs.values}, {gradients}, {theirs.exp_avg}, {theirs.exp_avg_sq}, {}, {step},
                          1e-3, config.beta1, config.beta2, config.weight_decay, config.eps, false, false, {},
                          not_finite);
        gradients.zero_();
        at::Tensor(composed_average).lerp_(theirs.values, 1e-3);
        at::Tensor(theirs.shadow).copy_(theirs.values);
      });
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const auto given = [&](std::string_view one) {
    return std::find(arguments.begin(), arguments.end(), one) != arguments.end();
  };
  const bool cuda = given("cuda");
  json = given("--json");
  if (cuda) load_cuda_plugin();
  const at::Device device = cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  at::set_num_threads(1);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the apps do: clearing pages anew would outweigh the arithmetic
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  for (const int64_t size : {400'000, 56'000'000}) compare_adamw(device, size);
  for (const auto& shape : {std::vector<int64_t>{64, 1, 28, 28}, {64, 3, 32, 32}, {16, 3, 256, 256}}) {
    const at::Tensor index = at::arange(shape[0], at::device(device).dtype(at::kLong));
    const auto row = at::IntArrayRef(shape).slice(1);
    const auto draw = [&](uint32_t purpose) { return philox_normal(1, purpose, index, row, device); };
    const at::Tensor y = draw(1), teacher = draw(2), fake = draw(3), h = at::ones({shape[0]}, y.options());
    const auto elements = static_cast<double>(y.numel());
    announce(shape);
    compare(
        device, "  philox_normal, normal_", elements, [&] { return draw(1); },
        [&] { return at::empty(shape, y.options()).normal_(); });
    compare(
        device, "  philox_uniform, uniform_", elements,
        [&] { return philox_uniform(1, 1, index, row, device); },
        [&] { return at::empty(shape, y.options()).uniform_(); });
    compare(
        device, "  score_difference, loss and gradient composed", elements,
        [&] { return score_difference(y, teacher, fake, h, Normalisation::dmd).gradient; },
        [&] {
          const at::Tensor m = at::abs(y - teacher).flatten(1).mean(1);
          const at::Tensor gradient = (h / (m + 1e-6)).view({-1, 1, 1, 1}) * (fake - teacher);
          const at::Tensor loss = 0.5 * gradient.pow(2).flatten(1).sum(1);
          return gradient;
        });
  }
  for (const auto& shape :
       {std::vector<int64_t>{32, 16, 14, 14}, {32, 128, 16, 16}, {32, 256, 8, 8}, {32, 64, 32, 32}}) {
    announce(shape);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
      for (const bool backward : {false, true}) compare_group_norm(device, shape, dtype, backward);
  }
  struct Layer {
    std::vector<int64_t> shape;
    int64_t out;
  };
  for (const auto& [shape, out] : {Layer{{32, 16, 14, 14}, 16},
                                   {{32, 4, 14, 14}, 16},
                                   {{32, 16, 14, 14}, 4},
                                   {{16, 3, 32, 32}, 128},
                                   {{32, 32, 7, 7}, 32},
                                   {{32, 64, 3, 3}, 64},
                                   {{16, 64, 32, 32}, 64},
                                   {{16, 128, 16, 16}, 128},
                                   {{4, 256, 8, 8}, 256}}) {
    if (cuda) break;
    announce(shape);
    for (const bool backward : {false, true}) compare_conv(shape, out, backward);
  }
  for (const auto& [shape, out] :
       {Layer{{16, 64}, 32}, {{16, 48, 14, 14}, 16}, {{16, 64, 7, 7}, 32}, {{16, 32, 7, 7}, 96}}) {
    if (cuda) break;
    announce(shape);
    for (const bool backward : {false, true}) compare_linear(shape, out, backward);
  }
  struct Prepared {
    std::vector<int64_t> shape;
    int64_t out;
    std::array<int64_t, 2> size, padding;
  };
  for (const Prepared& layer : {Prepared{{1, 32, 149, 149}, 32, {3, 3}, {0, 0}},
                                {{1, 32, 147, 147}, 64, {3, 3}, {1, 1}},
                                {{1, 80, 73, 73}, 192, {3, 3}, {0, 0}},
                                {{1, 48, 35, 35}, 64, {5, 5}, {2, 2}},
                                {{1, 64, 35, 35}, 96, {3, 3}, {1, 1}},
                                {{1, 96, 35, 35}, 96, {3, 3}, {1, 1}},
                                {{16, 128, 17, 17}, 128, {1, 7}, {0, 3}},
                                {{16, 192, 17, 17}, 192, {7, 1}, {3, 0}},
                                {{16, 384, 8, 8}, 384, {1, 3}, {0, 1}},
                                {{16, 384, 8, 8}, 384, {3, 1}, {1, 0}},
                                {{16, 448, 8, 8}, 384, {3, 3}, {1, 1}}}) {
    if (cuda) break;
    announce(layer.shape);
    compare_prepared(layer.shape, layer.out, layer.size, layer.padding);
  }
  const at::Tensor images =
      (philox_uniform(1, 2, at::arange(16, at::kLong), {3, 32, 32}, device) * 256).to(at::kByte);
  about.clear();
  compare(
      device, "resize_tf1 [16, 3, 32, 32] to 299 x 299, composed", 16.0 * 3 * 299 * 299,
      [&] { return resize_tf1(images); }, [&] { return composed_resize(images); });
} catch (const c10::Error& error) {
  return std::fprintf(stderr, "bench_kernels: %s\n", error.what_without_backtrace()), 1;
}
