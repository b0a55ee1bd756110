// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <ATen/ops/_unique.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "io/safetensors.h"
#include "noise/preconditioning.h"
#include "noise/sigma_law.h"
#include "noise/weighting.h"

using namespace onestep;

TEST_CASE("EDM preconditioning keeps input and target at unit variance") {
  const at::Tensor sigma = at::tensor({0.002, 0.5, 3.0, 80.0}, at::kDouble);
  const double s = 0.6;
  const Coefficients p = coefficients(make_preconditioning({.sigma_data = s}), sigma);
  const at::Tensor flat_sigma = sigma.reshape({-1, 1, 1, 1});
  const at::Tensor input_variance = p.c_in.square() * (s * s + flat_sigma.square());
  CHECK((input_variance - 1).abs().max().item<double>() < 1e-14);
  // The target (y − c_skip (y + n)) / c_out has unit variance when Var y = s², Var n = σ².
  const at::Tensor target =
      ((1 - p.c_skip).square() * s * s + p.c_skip.square() * flat_sigma.square()) / p.c_out.square();
  CHECK((target - 1).abs().max().item<double>() < 1e-12);
  CHECK(p.c_noise[3].item<double>() == Approx(std::log(80.0) / 4));
  CHECK(coefficients(make_preconditioning({.sigma_data = s}), at::tensor(1.0f)).c_in.numel() == 1);
}

TEST_CASE("Noise levels follow their law and depend on seed and index alone") {
  const at::Tensor indices = at::arange(20000);
  const auto draw = [&](const SigmaLaw& law, const at::Tensor& which) {
    return draw_sigma(law, 7, Purpose::sigma, which, at::kCPU);
  };
  const LogNormalLaw lognormal{.mean = -1.0, .std = 0.5};
  const at::Tensor logs = draw(lognormal, indices).log();
  CHECK(logs.mean().item<double>() == Approx(-1.0).margin(0.02));
  CHECK(logs.std().item<double>() == Approx(0.5).epsilon(0.03));

  const KarrasLaw karras;
  const at::Tensor sigma = draw(karras, indices);
  CHECK(sigma.min().item<double>() >= 0.002 * (1 - 1e-5));
  CHECK(sigma.max().item<double>() == Approx(24.4).epsilon(0.01));
  // t is uniform: its median is the middle of the range.
  const double lowest = std::pow(0.002, 1.0 / 7), highest = std::pow(80.0, 1.0 / 7);
  CHECK(sigma.median().item<double>() ==
        Approx(std::pow(lowest + 0.4 * (highest - lowest), 7)).epsilon(0.05));

  const at::Tensor logs_between = draw(LogUniformLaw{.sigma_min = 0.1, .sigma_max = 10}, indices).log10();
  CHECK(logs_between.min().item<double>() >= -1.0001);
  CHECK(logs_between.max().item<double>() <= 1.0001);
  CHECK(logs_between.mean().item<double>() == Approx(0).margin(0.02));
  const std::vector<double> levels = schedule_levels("sd");
  const at::Tensor steps = timestep_of(draw(TimestepLaw{.from = 20, .to = 980}, indices).to(at::kDouble),
                                       at::tensor(levels, at::kDouble), Timestep::interpolated);
  CHECK((steps - steps.round()).abs().max().item<double>() < 1e-2);  // the levels are float32
  CHECK(steps.round().min().item<double>() == 20);
  CHECK(steps.round().max().item<double>() == 979);
  CHECK(steps.mean().item<double>() == Approx(499.5).margin(6));
  const at::Tensor few = draw(TimestepLaw{.from = 20, .to = 23}, indices);
  for (const int64_t t : {20, 21, 22}) {  // each as likely
    const at::Tensor equal = (few - levels[t]).abs() < 1e-6;
    CHECK(equal.to(at::kDouble).mean().item<double>() == Approx(1. / 3).margin(0.015));
  }
  const at::Tensor flow = draw(FlowTimeLaw{.from = 0.1, .to = 0.9, .shift = 3}, indices) / 3;
  const at::Tensor time = flow / (1 + flow);
  CHECK(time.min().item<double>() == Approx(0.1).margin(1e-3));
  CHECK(time.max().item<double>() == Approx(0.9).margin(1e-3));
  CHECK(time.mean().item<double>() == Approx(0.5).margin(0.01));
  const at::Tensor vp = draw(VpTimeLaw{.from = 0.5}, indices).to(at::kDouble);
  const at::Tensor vp_time = coefficients(make_preconditioning({.rule = "vp"}), vp).c_noise / 999;
  CHECK(vp_time.min().item<double>() == Approx(0.5).margin(1e-3));
  CHECK(vp_time.mean().item<double>() == Approx(0.75).margin(0.01));

  for (const SigmaLaw& law : {SigmaLaw(lognormal), SigmaLaw(karras), SigmaLaw(LogUniformLaw()),
                              SigmaLaw(TimestepLaw()), SigmaLaw(FlowTimeLaw()), SigmaLaw(VpTimeLaw())}) {
    CHECK(draw(law, indices.slice(0, 100, 200)).equal(draw(law, indices).slice(0, 100, 200)));
    const SigmaRange range = range_of(law);
    const at::Tensor drawn = draw(law, indices);
    const double inside = ((drawn >= range.lowest * 0.999) & (drawn <= range.highest * 1.001))
                              .to(at::kDouble)
                              .mean()
                              .item<double>();
    CHECK(inside > 0.996);
    CHECK(drawn.max().item<double>() > 0.5 * range.highest * (law.index() == 0 ? 0.5 : 1));
  }
  CHECK(FlowTimeLaw{.to = 1}.problem() != "");
  CHECK(TimestepLaw{.from = 5, .to = 5}.problem() != "");
  CHECK(KarrasLaw{.from = 0.5, .to = 0.5}.problem() != "");
}

TEST_CASE("Levels of a grid: f-distill's indices 2 to 998 of a thousand, each as likely") {
  const KarrasLaw law{.from = 0.002, .to = 0.999, .levels = 1000};
  const at::Tensor sigma = draw_sigma(law, 7, Purpose::sigma, at::arange(40000), at::kCPU).to(at::kDouble);
  const double lowest = std::pow(0.002, 1.0 / 7), highest = std::pow(80.0, 1.0 / 7);
  const at::Tensor index = (sigma.pow(1.0 / 7) - lowest) / (highest - lowest) * 999;
  const at::Tensor whole = index.round();
  CHECK((index - whole).abs().max().item<double>() < 1e-2);
  CHECK(whole.min().item<double>() == 2);
  CHECK(whole.max().item<double>() == 998);
  CHECK(whole.mean().item<double>() == Approx(500).margin(5));
  CHECK(std::get<0>(at::_unique(whole)).size(0) == 997);
  CHECK(sigma.max().item<double>() == Approx(79.5).margin(0.1));
  CHECK(sigma.min().item<double>() == Approx(0.00210).epsilon(0.01));
  CHECK(KarrasLaw{.levels = 1}.problem() != "");
  CHECK(KarrasLaw{.from = 0.1, .to = 0.9, .levels = 2}.problem() != "");
  CHECK(KarrasLaw{.from = 0, .to = 1, .levels = 2}.problem().empty());
}

TEST_CASE("Loss weights") {
  const at::Tensor sigma = at::tensor({0.1, 2.0}, at::kDouble);
  CHECK(loss_weight("edm", sigma, {.sigma_data = 0.5})[0].item<double>() ==
        Approx((0.01 + 0.25) / (0.05 * 0.05)));
  CHECK(loss_weight("none", sigma, {.sigma_data = 0.5})[1].item<double>() == 1);
  CHECK(loss_weight("epsilon", sigma, {.sigma_data = 0.5})[1].item<double>() == Approx(0.25));
  CHECK_THROWS_AS(loss_weight("edmm", sigma, {.sigma_data = 0.5}), c10::Error);
  for (const std::string& name : loss_weight_names())
    CHECK(loss_weight(name, sigma, {.sigma_data = 0.5}).sizes() == sigma.sizes());
}
