// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "kernels/group_norm_silu.h"
#include "kernels/group_norm_silu_core.h"
#include "kernels/philox.h"
#include "on_devices.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

struct Shape {
  int64_t images, channels, height, width, groups;
};

at::Tensor normal(uint32_t purpose, at::IntArrayRef shape) {
  return philox_normal(1, purpose, at::arange(shape[0], at::kLong), shape.slice(1), at::kCPU, at::kDouble);
}

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

enum class Kind { plain, added, adaptive };

struct Inputs {
  at::Tensor x;
  GroupNormTerms terms;
};

/// Numbers that bfloat16 holds exactly, so that every dtype sees the same.
Inputs inputs(const Shape& s, Kind kind) {
  const auto exact = [](const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
  Inputs in{exact(normal(1, {s.images, s.channels, s.height, s.width}) * 2 + 3), {}};
  const auto term = [&](uint32_t purpose) { return exact(normal(purpose, {s.images, s.channels})); };
  in.terms.gain = kind == Kind::adaptive ? term(2) : term(2)[0];
  in.terms.offset = kind == Kind::adaptive ? term(3) : term(3)[0];
  if (kind == Kind::added) in.terms.added = term(4);
  return in;
}

Inputs as(const Inputs& in, at::ScalarType dtype, at::Device device) {
  const auto leaf = [&](const at::Tensor& t) {
    return t.defined() ? t.to(device, dtype).detach().clone().requires_grad_() : t;
  };
  return {leaf(channels_last(in.x)), {leaf(in.terms.gain), leaf(in.terms.offset), leaf(in.terms.added)}};
}

at::Tensor pixelwise(const at::Tensor& term) {
  return term.dim() == 1 ? term.view({1, -1, 1, 1}) : term.view({term.size(0), term.size(1), 1, 1});
}

/// The definition, out of ATen.
at::Tensor composed(const Inputs& in, int64_t groups, double eps, bool silu) {
  const at::Tensor x = in.terms.added.defined() ? in.x + pixelwise(in.terms.added) : in.x;
  const at::Tensor z =
      at::group_norm(x, groups, {}, {}, eps) * pixelwise(in.terms.gain) + pixelwise(in.terms.offset);
  return silu ? at::silu(z) : z;
}

/// The largest difference, relative to the largest reference value.
double error(const at::Tensor& got, const at::Tensor& expected) {
  return (at::abs(got.cpu().to(at::kDouble) - expected.cpu().to(at::kDouble)).max() /
          at::abs(expected).max().cpu())
      .item<double>();
}

}  // namespace

DEVICE_TEST_CASE("group norm and SiLU equal their composition, gradients too", "[group_norm_silu]") {
  const auto kind = GENERATE(Kind::plain, Kind::added, Kind::adaptive);
  const bool silu = GENERATE(true, false);
  const auto [dtype, tolerance] = GENERATE(
      table<at::ScalarType, double>({{at::kDouble, 1e-12}, {at::kFloat, 3e-6}, {at::kBFloat16, 2e-2}}));
  for (const Shape& s : {Shape{3, 16, 14, 14, 4},
                         {2, 24, 7, 5, 6},
                         {1, 4, 1, 1, 1},
                         {2, 6, 3, 3, 1},
                         {2, 64, 32, 32, 16},
                         {3, 160, 8, 8, 32},
                         {1, 768, 4, 4, 32},
                         {2, 3, 2, 9, 3}}) {
    INFO(static_cast<int>(kind) << ' ' << silu << ' ' << dtype << ' ' << s.channels << " channels of "
                                << s.height << " x " << s.width);
    const Inputs exact = inputs(s, kind);
    Inputs wide = as(exact, at::kDouble, at::kCPU), in = as(exact, dtype, device);
    const at::Tensor expected = composed(wide, s.groups, 1e-5, silu);
    const at::Tensor got = group_norm_silu(in.x, s.groups, in.terms, 1e-5, silu);
    CHECK(got.scalar_type() == dtype);
    CHECK(got.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(error(got.detach(), expected.detach()) < tolerance);

    const at::Tensor upstream = normal(5, exact.x.sizes()).to(at::kBFloat16);
    expected.backward(upstream.to(at::kDouble));
    got.backward(upstream.to(device, dtype));
    // One pixel and one channel a group: x̂ is 0, and so are its gradients, but for rounding.
    const double grad_tolerance = tolerance * 20;
    if (s.height * s.width * s.channels / s.groups > 4)
      CHECK(error(in.x.grad(), wide.x.grad()) < grad_tolerance);
    CHECK(error(in.terms.gain.grad(), wide.terms.gain.grad()) < grad_tolerance);
    CHECK(error(in.terms.offset.grad(), wide.terms.offset.grad()) < grad_tolerance);
    if (kind == Kind::added && s.height * s.width > 1 && s.channels > s.groups)
      CHECK(error(in.terms.added.grad(), wide.terms.added.grad()) < grad_tolerance * 5);
  }
}

TEST_CASE("group norm and SiLU: an image's bits depend neither on its batch nor on threads nor on its layout",
          "[group_norm_silu]") {
  const auto dtype = GENERATE(at::kFloat, at::kBFloat16);
  const Inputs in = as(inputs({8, 24, 16, 16, 6}, Kind::added), dtype, at::kCPU);
  const auto run = [&](int64_t begin, int64_t count, const at::Tensor& x) {
    const at::Tensor part = x.narrow(0, begin, count).detach().requires_grad_();
    const GroupNormTerms terms{in.terms.gain.detach(), in.terms.offset.detach(),
                               in.terms.added.narrow(0, begin, count).detach()};
    const at::Tensor y = group_norm_silu(part, 6, terms, 1e-6);
    y.sum().backward();
    return std::pair(y.detach(), part.grad());
  };
  const int threads = at::get_num_threads();
  const auto [whole, whole_grad] = run(0, 8, in.x);
  at::set_num_threads(threads == 1 ? 2 : 1);
  const auto [again, again_grad] = run(0, 8, in.x.contiguous());
  at::set_num_threads(threads);
  CHECK(again.equal(whole));
  CHECK(again_grad.equal(whole_grad));
  for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1}, {3, 2}, {5, 3}}) {
    const auto [y, grad] = run(begin, count, in.x);
    CHECK(y.equal(whole.narrow(0, begin, count)));
    CHECK(grad.equal(whole_grad.narrow(0, begin, count)));
  }
}

TEST_CASE("group norm and SiLU: nothing cancels where the mean is far from zero", "[group_norm_silu]") {
  const Inputs exact = inputs({1, 8, 16, 16, 2}, Kind::plain);
  const at::Tensor x = channels_last(exact.x * 1e-2 + 100).to(at::kFloat);
  const Inputs wide{x.to(at::kDouble), exact.terms};
  const GroupNormTerms terms{exact.terms.gain.to(at::kFloat), exact.terms.offset.to(at::kFloat), {}};
  // x itself is rounded to 4e-6 of its spread; the line's own rounding is of that size.
  CHECK(error(group_norm_silu(x, 2, terms, 1e-12), composed(wide, 2, 1e-12, true)) < 3e-3);
  const at::Tensor constant = channels_last(at::zeros({1, 8, 4, 4}) + 3);
  CHECK(error(group_norm_silu(constant, 2, terms, 1e-5, false),
              pixelwise(terms.offset).expand({1, 8, 4, 4})) < 2e-4);
}

TEST_CASE("group norm and SiLU: NaN and infinity stay visible, in their group alone", "[group_norm_silu]") {
  const auto bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  const Inputs in = as(inputs({2, 8, 4, 4, 2}, Kind::plain), at::kFloat, at::kCPU);
  at::Tensor x = in.x.detach().clone();
  x[0][1][2][3] = bad;
  const at::Tensor nan = at::isnan(group_norm_silu(x, 2, in.terms, 1e-5).detach());
  CHECK(nan[0].narrow(0, 0, 4).all().item<bool>());
  CHECK_FALSE(nan[0].narrow(0, 4, 4).any().item<bool>());
  CHECK_FALSE(nan[1].any().item<bool>());
}

TEMPLATE_TEST_CASE(
    "the kernels' exponential and SiLU are as right as their dtype, and keep what is no number",
    "[group_norm_silu]", float, BFloat16) {
  const bool narrow = std::is_same_v<TestType, BFloat16>;
  double worst = 0, worst_derivative = 0;
  for (float z = -87; z < 87; z += 1e-3f) {
    const double wide = z, exact = std::exp(-wide), s = 1 / (1 + exact);
    worst = std::max(worst, std::abs(exp_minus<TestType>(z) - exact) / exact);
    worst_derivative =
        std::max(worst_derivative, std::abs(silu_derivative<TestType>(z) - s * (1 + wide * (1 - s))));
  }
  CHECK(worst < (narrow ? 1.3e-4 : 3e-7));
  CHECK(worst_derivative < (narrow ? 1.3e-4 : 1e-6));
  CHECK(exp_minus<TestType>(0.0f) == 1);
  CHECK(silu<TestType>(0.0f) == 0);
  CHECK(silu<TestType>(1e30f) == 1e30f);
  CHECK(std::abs(silu<TestType>(-1e20f)) < 1e-17f);
  CHECK(std::isnan(exp_minus<TestType>(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("bfloat16 is rounded to nearest, ties to even", "[group_norm_silu]") {
  for (const float value : {1.0f, 1.00390625f, 1.01171875f, -3.14159f, 1e-40f, 3e38f, 3.4e38f, 0.0f,
                            std::numeric_limits<float>::infinity()}) {
    BFloat16 narrowed;
    narrow(value, narrowed);
    CHECK(widened(narrowed) == static_cast<float>(at::BFloat16(value)));
  }
  BFloat16 nan;
  narrow(std::numeric_limits<float>::quiet_NaN(), nan);
  CHECK(std::isnan(widened(nan)));
}

TEST_CASE("group norm and SiLU: what does not fit is an error", "[group_norm_silu]") {
  const at::Tensor x = at::zeros({2, 8, 4, 4}), c = at::zeros({8}), nc = at::zeros({2, 8});
  const auto call = [](const at::Tensor& images, int64_t groups, const GroupNormTerms& terms) {
    return group_norm_silu(images, groups, terms, 1e-5);
  };
  CHECK_THROWS_WITH(call(at::zeros({2, 8}), 2, {c, c, {}}), Contains("[N, C, H, W]"));
  CHECK_THROWS_WITH(call(x.to(at::kHalf), 2, {c, c, {}}), Contains("float32, float64 or bfloat16"));
  CHECK_THROWS_WITH(call(x, 3, {c, c, {}}), Contains("8 channels in 3 groups"));
  CHECK_THROWS_WITH(call(x, 2, {at::zeros({7}), c, {}}), Contains("gain is"));
  CHECK_THROWS_WITH(call(x, 2, {nc, c, {}}), Contains("offset"));
  CHECK_THROWS_WITH(call(x, 2, {c, nc, {}}), Contains("offset"));
  CHECK_THROWS_WITH(call(x, 2, {c, c, c}), Contains("added is"));
  CHECK_THROWS_WITH(call(x, 2, {c.to(at::kDouble), c, {}}), Contains("gain is"));
  CHECK(call(at::empty({0, 8, 4, 4}), 2, {c, c, {}}).size(0) == 0);
}
