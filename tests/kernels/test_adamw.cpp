// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "kernels/adamw.h"
#include "kernels/philox.h"
#include "on_devices.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;
using onestep::test::relative_error;

namespace {

at::Tensor vector(uint32_t purpose, int64_t size, at::Device device, at::ScalarType dtype) {
  return philox_normal(1, purpose, at::arange(1, at::kLong), {size}, at::kCPU, dtype).flatten().to(device);
}

at::Tensor scalar(double value, at::Device device, at::ScalarType dtype = at::kDouble) {
  return at::full({}, value, at::device(device).dtype(dtype));
}

AdamwState state_of(int64_t size, at::Device device, at::ScalarType dtype, int64_t rows = 0) {
  const auto zeros = [&](at::ScalarType type) { return at::zeros({size}, at::device(device).dtype(type)); };
  const auto counts = at::device(device).dtype(at::kFloat);
  return {.values = vector(0, size, device, dtype),
          .gradients = zeros(dtype),
          .exp_avg = zeros(dtype),
          .exp_avg_sq = zeros(dtype),
          .step = rows == 0 ? at::zeros({}, counts) : at::zeros({rows}, counts),
          .skipped = at::zeros({}, counts),
          .shadow = zeros(at::kBFloat16)};
}

at::Tensor norm_of(const AdamwState& state) {
  return at::linalg_vector_norm(state.gradients);
}

void take(const AdamwState& state, const at::Tensor& gradients) {
  at::Tensor(state.gradients).copy_(gradients);
}

double number(const at::Tensor& t) {
  return t.cpu().item<double>();
}

}  // namespace

DEVICE_TEST_CASE("a fused AdamW step is ATen's, step after step", "[adamw]") {
  const auto [dtype, tolerance] =
      GENERATE(table<at::ScalarType, double>({{at::kFloat, 1e-6}, {at::kDouble, 1e-14}}));
  const double beta1 = GENERATE(0.9, 0.0);
  // An eps of the moments' size: where it is added shows.
  const AdamwConfig config{.beta1 = beta1, .beta2 = 0.99, .eps = 0.1, .weight_decay = 0.3};
  const AdamwState state = state_of(5003, device, dtype);
  at::Tensor values = state.values.cpu().clone(), m = at::zeros_like(values), v = at::zeros_like(values);
  at::Tensor t = at::zeros({}, at::kFloat);
  for (uint32_t step = 1; step <= 8; ++step) {
    const double rate = 0.1 / step;
    take(state, vector(step, 5003, device, dtype));
    at::Tensor gradients = state.gradients.cpu().clone();
    adamw_step(state, config, scalar(rate, device), norm_of(state));
    t.add_(1);
    at::_fused_adamw_({values}, {gradients}, {m}, {v}, {}, {t}, rate, config.beta1, config.beta2,
                      config.weight_decay, config.eps, false, false);
    CHECK(relative_error(state.values, values) < tolerance);
    CHECK(relative_error(state.exp_avg, m) < tolerance);
    CHECK(relative_error(state.exp_avg_sq, v) < tolerance);
  }
  CHECK(number(state.step) == 8);
  CHECK(number(state.skipped) == 0);
}

DEVICE_TEST_CASE("a fused step clips, averages the new values, rounds them and empties the gradient",
                 "[adamw]") {
  const AdamwConfig config{.eps = 1e-3, .weight_decay = 0.2, .clip_norm = 30, .clip_value = 0.7};
  constexpr int64_t kSize = 3000;
  const AdamwState state = state_of(kSize, device, at::kDouble);
  const std::vector<MovingAverage> averages{
      {vector(20, kSize, device, at::kDouble), scalar(0.1, device)},
      {vector(21, kSize, device, at::kDouble), scalar(0.9, device, at::kFloat)}};
  std::vector<double> value(kSize), m(kSize), v(kSize), slow(kSize), fast(kSize);
  const auto load = [](std::vector<double>& to, const at::Tensor& from) {
    const at::Tensor host = from.cpu();
    std::copy_n(host.const_data_ptr<double>(), kSize, to.begin());
  };
  load(value, state.values);
  load(slow, averages[0].values);
  load(fast, averages[1].values);
  for (int step = 1; step <= 5; ++step) {
    const at::Tensor gradients = vector(step, kSize, at::kCPU, at::kDouble);
    take(state, gradients);
    adamw_step(state, config, scalar(0.05, device), norm_of(state), scalar(1, device).to(at::kBool),
               averages);
    const auto* given = gradients.const_data_ptr<double>();
    double square = 0;
    for (int64_t i = 0; i < kSize; ++i) square += given[i] * given[i];
    const double scale = 30 / (std::sqrt(square) + 1e-6);  // the norm is about 55
    for (int64_t i = 0; i < kSize; ++i) {
      const double g = std::fmin(std::fmax(given[i] * scale, -0.7), 0.7);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double first = m[i] / (1 - std::pow(0.9, step)), second = v[i] / (1 - std::pow(0.999, step));
      value[i] = value[i] * (1 - 0.05 * 0.2) - 0.05 * first / (std::sqrt(second) + 1e-3);
      slow[i] += 0.1 * (value[i] - slow[i]);
      fast[i] += static_cast<double>(0.9f) * (value[i] - fast[i]);
    }
    CHECK(scale < 1);
  }
  const auto error = [&](const at::Tensor& got, const std::vector<double>& expected) {
    const at::Tensor host = got.cpu();
    double worst = 0;
    for (int64_t i = 0; i < kSize; ++i)
      worst = std::max(worst, std::abs(host.const_data_ptr<double>()[i] - expected[i]));
    return worst;
  };
  CHECK(error(state.values, value) < 1e-12);
  CHECK(error(averages[0].values, slow) < 1e-12);
  CHECK(error(averages[1].values, fast) < 1e-12);
  CHECK(state.shadow.cpu().equal(state.values.cpu().to(at::kFloat).to(at::kBFloat16)));
  CHECK_FALSE(state.gradients.cpu().any().item<bool>());
}

DEVICE_TEST_CASE("a fused step without a usable gradient moves the averages alone", "[adamw]") {
  const AdamwState state = state_of(2000, device, at::kFloat);
  const AdamwConfig config{.weight_decay = 0.1, .clip_norm = 1, .clip_value = 1};
  const at::Tensor rate = scalar(0.1, device), any = scalar(1, device).to(at::kBool);
  const MovingAverage average{vector(20, 2000, device, at::kFloat), scalar(0.25, device)};
  take(state, vector(1, 2000, device, at::kFloat));
  adamw_step(state, config, rate, norm_of(state), any, {average});
  const at::Tensor values = state.values.clone(), m = state.exp_avg.clone(), v = state.exp_avg_sq.clone();
  const at::Tensor before = average.values.clone();
  const auto unchanged = [&] {
    return state.values.cpu().equal(values.cpu()) && state.exp_avg.cpu().equal(m.cpu()) &&
           state.exp_avg_sq.cpu().equal(v.cpu()) && number(state.step) == 1 &&
           !state.gradients.cpu().any().item<bool>();
  };

  take(state, vector(2, 2000, device, at::kFloat));
  state.gradients.narrow(0, 1234, 1)
      .fill_(GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()));
  adamw_step(state, config, rate, norm_of(state), any, {average});
  CHECK(unchanged());
  CHECK(number(state.skipped) == 1);
  CHECK(relative_error(average.values, before + 0.25 * (values - before)) < 1e-6);

  take(state, vector(3, 2000, device, at::kFloat));
  adamw_step(state, config, rate, norm_of(state), scalar(0, device).to(at::kBool), {});
  CHECK(unchanged());
  CHECK(number(state.skipped) == 2);

  take(state, vector(3, 2000, device, at::kFloat));
  adamw_step(state, config, rate, norm_of(state));
  CHECK(number(state.skipped) == 0);
  CHECK(number(state.step) == 2);
  CHECK_FALSE(state.values.cpu().equal(values.cpu()));
}

DEVICE_TEST_CASE("of several rows a fused step updates those that are met, each as if alone", "[adamw]") {
  constexpr int64_t kSize = 1500;
  const AdamwState all = state_of(3 * kSize, device, at::kFloat, 3);
  const AdamwConfig config{.weight_decay = 0.1};
  const MovingAverage average{at::zeros_like(all.values), scalar(1, device)};
  const auto row = [&](const at::Tensor& t, int64_t number) { return t.narrow(0, number * kSize, kSize); };
  AdamwState alone = state_of(kSize, device, at::kFloat);
  alone.values = row(all.values, 1).clone();
  const at::Tensor first = row(all.values, 0).clone();
  for (uint32_t step = 1; step <= 3; ++step) {
    take(all, vector(step, 3 * kSize, device, at::kFloat));
    take(alone, row(all.gradients, 1));
    const std::vector<int64_t> met = step == 2 ? std::vector<int64_t>{2} : std::vector<int64_t>{1, 2};
    if (step != 2) adamw_step(alone, config, scalar(0.1, device), norm_of(alone));
    adamw_step(all, config, scalar(0.1, device), norm_of(all), {}, {average}, met);
  }
  CHECK(row(all.values, 0).cpu().equal(first.cpu()));
  CHECK(row(all.values, 1).cpu().equal(alone.values.cpu()));
  CHECK(row(all.exp_avg_sq, 1).cpu().equal(alone.exp_avg_sq.cpu()));
  const at::Tensor steps = all.step.cpu();
  CHECK((number(steps[0]) == 0 && number(steps[1]) == 2 && number(steps[2]) == 3));
  CHECK(average.values.cpu().equal(all.values.cpu()));
  CHECK(all.shadow.cpu().equal(all.values.cpu().to(at::kBFloat16)));
  CHECK_FALSE(all.gradients.cpu().any().item<bool>());
}

TEST_CASE("a fused step has the same bits on any number of threads", "[adamw]") {
  const auto run = [](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    const AdamwState state = state_of(100001, at::kCPU, at::kFloat);
    take(state, vector(1, 100001, at::kCPU, at::kFloat));
    adamw_step(state, {.clip_value = 0.5}, scalar(0.1, at::kCPU), scalar(7, at::kCPU));
    at::set_num_threads(before);
    return state.values;
  };
  CHECK(run(1).equal(run(2)));
}

TEST_CASE("a fused step: what does not fit is an error", "[adamw]") {
  const AdamwState good = state_of(10, at::kCPU, at::kFloat);
  const at::Tensor rate = scalar(0.1, at::kCPU);
  const auto step = [&](const AdamwState& state, const at::Tensor& learning_rate,
                        const std::vector<MovingAverage>& averages = {},
                        const std::vector<int64_t>& met = {0}) {
    adamw_step(state, {}, learning_rate, scalar(1, at::kCPU), {}, averages, met);
  };
  const auto with = [&](auto change) {
    AdamwState state = good;
    change(state);
    return state;
  };
  CHECK_THROWS_WITH(step(with([](auto& s) { s.values = at::zeros({2, 5}); }), rate), Contains("values"));
  CHECK_THROWS_WITH(step(with([](auto& s) { s.gradients = at::zeros({9}); }), rate), Contains("gradients"));
  CHECK_THROWS_WITH(step(with([](auto& s) { s.shadow = at::zeros({10}); }), rate), Contains("shadow"));
  CHECK_THROWS_WITH(step(with([](auto& s) { s.step = at::zeros({3}); }), rate), Contains("step"));
  CHECK_THROWS_WITH(step(good, at::zeros({1})), Contains("learning_rate"));
  CHECK_THROWS_WITH(step(good, rate, {{at::zeros({9}), rate}}), Contains("an average"));
  CHECK_THROWS_WITH(step(good, rate, {{at::zeros({10}), at::zeros({2})}}), Contains("weight"));
  CHECK_THROWS_WITH(step(good, rate, {}, {1}), Contains("no row 1 of 1"));
  CHECK_THROWS_WITH(step(good, rate, std::vector<MovingAverage>(17, {at::zeros({10}), rate})),
                    Contains("17 averages"));
}
