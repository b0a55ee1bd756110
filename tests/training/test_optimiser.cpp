// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "config/config.h"
#include "on_devices.h"
#include "training/adam.h"
#include "training/ema.h"
#include "training/stats.h"

using namespace onestep;
using test::relative_error;

namespace {

FlatParameters parameters(at::Device device = at::kCPU) {
  return {at::linspace(-1, 1, 7).to(device), at::linspace(0.3, -0.4, 7).to(device)};
}

}  // namespace

DEVICE_TEST_CASE("AdamW equals its formula, step by step", "[optimiser]") {
  const AdamConfig config{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-7, .weight_decay = 0.1};
  FlatParameters p = parameters(device);
  Adam adam = make_adam(config, p);
  at::Tensor w = parameters().values.to(at::kDouble);
  at::Tensor m = at::zeros({7}, at::kDouble), v = at::zeros({7}, at::kDouble);
  for (int t = 1; t <= 5; ++t) {
    const at::Tensor g = (at::linspace(0.3, -0.4, 7) * t).to(at::kFloat);
    p.gradients.copy_(g);
    const double lr = 0.01 * t;
    const at::Tensor norm = adam_step(adam, p, {lr});
    CHECK(norm.item<double>() == Approx(g.norm().item<double>()));
    m = 0.8 * m + 0.2 * g;
    v = 0.95 * v + 0.05 * g.square();
    w = w - lr * 0.1 * w;
    w = w - lr * (m / (1 - std::pow(0.8, t))) / ((v / (1 - std::pow(0.95, t))).sqrt() + 1e-7);
    CHECK(relative_error(p.values, w) < 1e-6);
    CHECK(p.gradients.abs().sum().item<double>() == 0);  // ready for the next step
  }
  CHECK(adam.step.item<double>() == 5);
}

DEVICE_TEST_CASE("Gradients are clipped by the norm of the whole", "[optimiser]") {
  const auto moments = [&](double clip, double scale) {
    FlatParameters p = parameters(device);
    Adam adam = make_adam({.beta1 = 0, .clip_norm = clip}, p);
    p.gradients.mul_(scale);
    adam_step(adam, p, {0.1});
    return adam.exp_avg;
  };
  const double norm = parameters().gradients.norm().item<double>();
  CHECK(relative_error(moments(norm / 2, 1), parameters().gradients / 2) < 1e-5);
  CHECK(relative_error(moments(norm * 2, 1), parameters().gradients) < 1e-6);   // below the bound: untouched
  CHECK(relative_error(moments(0, 100), parameters().gradients * 100) < 1e-6);  // 0 does not clip
}

DEVICE_TEST_CASE("A gradient that is not finite changes nothing, and is counted", "[optimiser]") {
  for (const float bad : {NAN, INFINITY}) {
    FlatParameters p = parameters(device);
    Adam adam = make_adam({.clip_norm = 1}, p);
    adam_step(adam, p, {0.1});
    const at::Tensor values = p.values.clone(), average = adam.exp_avg.clone();
    p.gradients[3] = bad;
    adam_step(adam, p, {0.1});
    CHECK(p.values.equal(values));
    CHECK(adam.exp_avg.equal(average));
    CHECK(adam.step.item<double>() == 1);
    CHECK(adam.skipped.item<double>() == 1);
    p.gradients.fill_(0.1);
    adam_step(adam, p, {0.1});
    CHECK_FALSE(p.values.equal(values));
    CHECK(adam.skipped.item<double>() == 0);
  }
}

DEVICE_TEST_CASE("Gradients are clipped by value", "[optimiser]") {
  FlatParameters p = parameters(device);
  Adam adam = make_adam({.beta1 = 0, .clip_value = 0.2}, p);
  adam_step(adam, p, {0.1});
  CHECK(relative_error(adam.exp_avg, parameters().gradients.clamp(-0.2, 0.2)) < 1e-6);
}

DEVICE_TEST_CASE("Of several rows only those that were met move, each by its own count of updates",
                 "[optimiser]") {
  const AdamConfig config{.weight_decay = 0.1};
  const at::Tensor start = at::linspace(-1, 1, 12).to(device), gradient = at::linspace(1, 2, 12).to(device);
  FlatParameters all{start.clone(), at::zeros_like(start)};
  Adam adam = make_adam(config, all, /*rows=*/3);
  const auto step = [&](const std::vector<int64_t>& met) {
    for (const int64_t row : met) all.gradients.view({3, 4})[row].copy_(gradient.view({3, 4})[row]);
    adam_step(adam, all, {.learning_rate = 0.01, .met = met});
  };
  step({0, 2});
  step({2});
  step({1, 2});
  CHECK(adam.step.cpu().equal(at::tensor({1.f, 1.f, 3.f})));
  const std::vector<int64_t> updates{1, 1, 3};
  for (int64_t row = 0; row < 3; ++row) {  // as if each were alone
    FlatParameters one{start.view({3, 4})[row].clone(), at::zeros({4}, start.options())};
    Adam own = make_adam(config, one);
    for (int64_t i = 0; i < updates[row]; ++i) {
      one.gradients.copy_(gradient.view({3, 4})[row]);
      adam_step(own, one, {0.01});
    }
    CHECK(all.values.view({3, 4})[row].equal(one.values));
  }
}

DEVICE_TEST_CASE("A gradient of no sample changes nothing, and is counted", "[optimiser]") {
  FlatParameters p = parameters(device);
  Adam adam = make_adam({.clip_norm = 1}, p);
  const at::Tensor none = at::zeros({}, at::device(device).dtype(at::kBool)), some = none.logical_not();
  CHECK_FALSE(std::isfinite(adam_step(adam, p, {0.1, none}).item<double>()));
  CHECK(p.values.equal(parameters(device).values));
  CHECK(adam.skipped.item<double>() == 1);
  p.gradients.fill_(0.1);
  CHECK(std::isfinite(adam_step(adam, p, {0.1, some}).item<double>()));
  CHECK_FALSE(p.values.equal(parameters(device).values));
  CHECK(adam.skipped.item<double>() == 0);
}

TEST_CASE("Learning rates: warm-up, decay, end") {
  const LearningRateConfig flat{.peak = 0.5};
  CHECK(learning_rate(flat, 0, 10, 100) == 0.5);
  CHECK(learning_rate(flat, 90, 10, 100) == 0.5);
  const LearningRateConfig linear{.peak = 2, .warmup_kimg = 1, .decay = "linear", .final_ratio = 0.1};
  CHECK(learning_rate(linear, 0, 100, 11000) == Approx(2 * 0.05));
  CHECK(learning_rate(linear, 500, 0, 11000) == Approx(1));
  CHECK(learning_rate(linear, 1000, 0, 11000) == Approx(2));
  CHECK(learning_rate(linear, 6000, 0, 11000) == Approx(2 * 0.55));
  CHECK(learning_rate(linear, 11000, 0, 11000) == Approx(0.2));
  const LearningRateConfig cosine{.peak = 1, .decay = "cosine"};
  CHECK(learning_rate(cosine, 250, 0, 1000) == Approx(0.5 * (1 + std::sqrt(0.5))));
  CHECK_THROWS_AS(learning_rate({.decay = "cubic"}, 0, 1, 2), c10::Error);
}

namespace {

void average_step(const EmaConfig& config, const at::Tensor& average, const at::Tensor& values, int64_t nimg,
                  int64_t batch) {
  at::Tensor(average).lerp_(values, 1 - ema_decay(config, nimg, batch));
}

}  // namespace

DEVICE_TEST_CASE("EMA: after a half-life, half of the old value is left; the ramp shortens it",
                 "[optimiser]") {
  at::Tensor average = at::full({3}, 8.0, at::device(device)), values = at::zeros({3}, at::device(device));
  average_step(HalfLifeEma{.half_life_kimg = 1, .ramp_up_ratio = 0}, average, values, 1000, 1000);
  CHECK(average[0].item<double>() == Approx(4));
  average.fill_(8);
  for (int i = 0; i < 4; ++i)
    average_step(HalfLifeEma{.half_life_kimg = 1, .ramp_up_ratio = 0}, average, values, 0, 250);
  CHECK(average[0].item<double>() == Approx(4));  // whatever the batch
  average.fill_(8);
  average_step(HalfLifeEma{.half_life_kimg = 1, .ramp_up_ratio = 0.1}, average, values, 100,
               10);  // half-life 10 images
  CHECK(average[0].item<double>() == Approx(4));
}

TEST_CASE("EMA: the power function's exponent is that of its relative width", "[optimiser]") {
  // EDM2, section 3.1: a width of 5 % is gamma 16.97, one of 10 % is 6.94.
  CHECK(power_exponent(0.05) == Approx(16.97).epsilon(1e-3));
  CHECK(power_exponent(0.10) == Approx(6.94).epsilon(1e-3));
  for (const double std : {0.001, 0.02, 0.15, 0.28}) {
    const double g = power_exponent(std);
    CHECK(std::sqrt((g + 1) / ((g + 2) * (g + 2) * (g + 3))) == Approx(std).epsilon(1e-9));
  }
}

TEST_CASE("EMA: the power function weighs the steps by their time to the power gamma", "[optimiser]") {
  const PowerEma config{.std = 0.1};
  const double g = power_exponent(config.std);
  constexpr int kSteps = 4000;
  // Of values t and t squared the average is mean and mean square of a density proportional to t^gamma on [0,
  // T].
  at::Tensor average = at::zeros({2}, at::kDouble);
  for (int t = 1; t <= kSteps; ++t)
    average_step(config, average, at::tensor({1.0 * t, 1.0 * t * t}, at::kDouble), 32 * t, 32);
  const double mean = average[0].item<double>() / kSteps;
  const double square = average[1].item<double>() / kSteps / kSteps;
  CHECK(mean == Approx((g + 1) / (g + 2)).epsilon(1e-3));
  CHECK(std::sqrt(square - mean * mean) == Approx(config.std).epsilon(1e-2));
  average.fill_(8);
  average_step(config, average, at::full({2}, 3, at::kDouble), 32, 32);
  CHECK(average[0].item<double>() == 3);  // the first step leaves nothing of what was there
}

namespace {

struct WithEma {
  EmaConfigs ema;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("ema", c.ema, "averages");
  }
};

WithEma read_ema(const std::string& yaml) {
  return config::read<WithEma>(config::parse(yaml, "test.yaml"));
}

}  // namespace

TEST_CASE("EMA: a map is one average, a list several, each of its own name", "[optimiser]") {
  const auto names = [](const std::string& yaml) {
    std::vector<std::string> all;
    for (const EmaConfig& one : read_ema(yaml).ema.all) all.push_back(name_of(one));
    return all;
  };
  using Names = std::vector<std::string>;
  CHECK(names("{}") == Names{"half_life_500"});
  CHECK(names("ema: {half_life_kimg: 2.5}") == Names{"half_life_2.5"});
  CHECK(names("ema: {kind: power}") == Names{"power_0.05"});
  CHECK(names("ema: [{kind: power, std: 0.1}, {half_life_kimg: 7}]") == Names{"power_0.1", "half_life_7"});
  for (const char* yaml :
       {"ema: {half_life_kimg: 2.5}", "ema: [{kind: power, std: 0.1}, {half_life_kimg: 7}]"}) {
    const std::string text = config::to_yaml(read_ema(yaml));
    CHECK(config::to_yaml(read_ema(text)) == text);
  }
  CHECK_THROWS_WITH(read_ema("ema: []"), Catch::Contains("at least one average"));
  CHECK_THROWS_WITH(read_ema("ema: [{kind: power}, {kind: power, std: 0.05}]"),
                    Catch::Contains("two averages are called power_0.05"));
  CHECK_THROWS_WITH(read_ema("ema: [{kind: power, std: 0.3}]"), Catch::Contains("ema.0.std"));
  CHECK_THROWS_WITH(read_ema("ema: 3"), Catch::Contains("ema"));
  CHECK_THAT(config::help<WithEma>(), Catch::Contains("half_life_kimg") && Catch::Contains("std"));
}

DEVICE_TEST_CASE("Tick means are per name, since the last look", "[optimiser]") {
  TickMeans means;
  StepStats a, b;
  a.add("loss", at::tensor(1.0f).to(device));
  a.add("rare", at::tensor(5.0f).to(device));
  b.add("loss", at::tensor(3.0f).to(device));
  means.add(a);
  means.add(b);
  const auto taken = means.take();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0] == std::pair<std::string, double>("loss", 2));
  CHECK(taken[1] == std::pair<std::string, double>("rare", 5));
  CHECK(means.take().empty());
  CHECK(a.values[0].sum.item<double>() == 1);  // adding does not write into what was added
}
