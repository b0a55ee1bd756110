// SPDX-License-Identifier: Apache-2.0
// The table of preconditionings against the reference implementations, in double.
#include <cmath>

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "golden_file.h"
#include "noise/preconditioning.h"
#include "noise/sigma_law.h"
#include "noise/weighting.h"

using namespace onestep;
using test::relative_error;

namespace {

struct Case {
  const char* name;
  PreconditioningConfig config;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"sd_epsilon", {.rule = "epsilon"}},
      {"sd_continuous_epsilon", {.rule = "epsilon", .schedule = "sd"}},
      {"dit_epsilon_learned_variance", {.rule = "epsilon", .schedule = "ddpm_linear"}},
      {"sd_v_prediction", {.rule = "v"}},
      {"sd_continuous_v_prediction", {.rule = "v"}},
      {"sd_sample", {.rule = "image"}},
      {"flow", {.rule = "flow"}},
      {"sit_linear", {.rule = "flow_to_data"}},
      {"sit_gvp", {.rule = "gvp"}},
  };
  return all;
}

double max_error(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("What a network is given, and the image made of its output, equal the reference") {
  const io::TensorFile file = test::golden_file("noise/parametrisations");
  for (const auto& [name, config] : cases()) {
    INFO(name);
    const auto get = [&](const std::string& key) { return file.at(std::string(name) + "/" + key); };
    const at::Tensor x = get("x"), sigma = get("sigma");
    const Coefficients c = coefficients(make_preconditioning(config), sigma);
    CHECK(relative_error(c.c_in * x, get("network_input")) < 1e-12);
    CHECK(max_error(c.c_noise, get("network_time").to(at::kDouble)) < 1e-6);
    CHECK(relative_error(c.c_skip * x + c.c_out * get("F").narrow(1, 0, x.size(1)), get("D_x")) < 1e-9);
  }
}

TEST_CASE("A flow begins at the highest level that there is instead of at infinity") {
  const io::TensorFile file = test::golden_file("noise/parametrisations");
  const at::Tensor z = file.at("flow_pure_noise/z"), sigma = at::tensor({1e6}, at::kDouble);
  const Coefficients c = coefficients(make_preconditioning({.rule = "flow"}), sigma);
  CHECK(relative_error(c.c_in * (z * 1e6), z) < 2e-6);
  CHECK(c.c_noise.to(at::kFloat).item<float>() == Approx(1000).epsilon(2e-6));
  CHECK(relative_error(c.c_skip * (z * 1e6) + c.c_out * file.at("flow_pure_noise/F"),
                       file.at("flow_pure_noise/D")) < 1e-5);
}

TEST_CASE("Schedules equal diffusers', and a level's timestep is linear in ln sigma between them") {
  const io::TensorFile file = test::golden_file("noise/schedules_discrete");
  for (const std::string name : {"sd", "ddpm_linear", "cosine"}) {
    INFO(name);
    const at::Tensor levels = at::tensor(schedule_levels(name), at::kDouble);
    CHECK(((levels - file.at(name + "/sigma")) / levels).abs().max().item<double>() < 1e-9);
    const at::Tensor steps = timestep_of(file.at(name + "/probe_sigma"), levels, Timestep::interpolated);
    CHECK(max_error(steps, file.at(name + "/probe_timestep")) < 1e-6);
    const at::Tensor whole = timestep_of(file.at(name + "/probe_sigma"), levels, Timestep::nearest_log);
    CHECK(max_error(whole, whole.round()) == 0);
    CHECK(max_error(whole, steps) <= 0.5 + 1e-9);
  }
  const std::vector<double> ends = schedule_levels("sd_zero_snr");
  CHECK(ends[998] == Approx(std::sqrt(1 / 1.967888056621292e-07 - 1)));
  CHECK(ends[999] == Approx(4096));
  CHECK(schedule_levels("sd")[625] == Approx(2.5017).margin(5e-5));  // SiD-LSG's first step is sigma_init 2.5
}

TEST_CASE("A native loss is the plain error of what the network predicts") {
  const io::TensorFile file = test::golden_file("noise/native_losses");
  for (const auto& [name, rule] : std::vector<std::pair<std::string, std::string>>{
           {"epsilon", "epsilon"}, {"v_prediction", "v"}, {"flow", "flow"}, {"sit_gvp", "gvp"}}) {
    INFO(name);
    const at::Tensor y = file.at("y");
    const at::Tensor error = (file.at(name + "/D_x") - y).square().mean({1, 2, 3});
    const at::Tensor weight = loss_weight("native", file.at(name + "/sigma"), {.rule = rule});
    CHECK(relative_error(weight * error, file.at(name + "/native_loss")) < 1e-9);
  }
  const at::Tensor sigma = at::tensor({0.05, 0.7, 5.0, 12.0}, at::kDouble);
  for (const std::string& rule : preconditioning_names()) {
    INFO(rule);
    const PreconditioningConfig config{.rule = rule, .sigma_data = 0.7};
    const at::Tensor c_out = coefficients(make_preconditioning(config), sigma).c_out.reshape(-1);
    CHECK(relative_error(loss_weight("native", sigma, config), 1 / c_out.square()) < 1e-12);
  }
}

TEST_CASE("Continuous teachers of EDM: the time of a level, and its level again") {
  const at::Tensor t = at::tensor({1e-5, 0.01, 0.5, 1.0}, at::kDouble);
  const at::Tensor sigma = draw_sigma(VpTimeLaw{}, 1, Purpose::sigma, at::ones({1}, at::kLong), at::kCPU);
  CHECK(sigma.item<float>() > 0);
  const at::Tensor levels = at::tensor({0.00137, 0.0539, 4.0, 152.0}, at::kDouble);
  const at::Tensor told = coefficients(make_preconditioning({.rule = "vp"}), levels).c_noise / 999;
  // ½·19.9 t² + 0.1 t = ln(1 + σ²)
  CHECK(relative_error(9.95 * told * told + 0.1 * told, (1 + levels * levels).log()) < 1e-9);
  CHECK(valid_range({.rule = "vp"}).highest == Approx(152.16).margin(0.05));
  const Coefficients ve = coefficients(make_preconditioning({.rule = "ve"}), levels);
  CHECK(relative_error(ve.c_noise, (levels / 2).log()) < 1e-12);
  CHECK(ve.c_in.eq(1).all().item<bool>());
  // The cosine schedule's levels are iDDPM's u_j: a network of it is told the nearest one's number.
  const std::vector<double> u = schedule_levels("cosine");
  const at::Tensor near = at::tensor({u[3] * 1.001, u[700] * 0.9999, u[999] * 2}, at::kDouble);
  CHECK(coefficients(make_preconditioning({.rule = "iddpm"}), near)
            .c_noise.equal(at::tensor({3.0, 700.0, 999.0}, at::kDouble)));
}

TEST_CASE("A preconditioning refuses what it cannot bear, and says which levels it knows") {
  using Catch::Contains;
  CHECK_THAT((PreconditioningConfig{.rule = "epsilon", .schedule = "sd_zero_snr"}.problem()),
             Contains("sd_zero_snr") && Contains("inf") && Contains("epsilon"));
  CHECK((PreconditioningConfig{.rule = "v", .schedule = "sd_zero_snr"}.problem()).empty());
  CHECK_THAT((PreconditioningConfig{.rule = "flow", .schedule = "sd"}.problem()), Contains("schedule"));
  CHECK_THAT((PreconditioningConfig{.rule = "edm", .timestep = "nearest"}.problem()), Contains("timestep"));
  CHECK_THROWS_WITH(make_preconditioning({.rule = "flow", .schedule = "sd"}),
                    Contains("preconditioning.schedule"));

  const SigmaRange sd = valid_range({.rule = "epsilon"});
  CHECK(sd.lowest == Approx(0.0292).epsilon(2e-3));
  CHECK(sd.highest == Approx(14.6146).epsilon(1e-4));
  CHECK(std::isinf(valid_range({.rule = "v", .schedule = "sd_zero_snr"}).highest));
  CHECK_THAT(range_problem("task.sigma", range_of(KarrasLaw{}), sd, "the teacher"),
             Contains("task.sigma: noise levels 0.002 to 24.") && Contains("0.02917 to 14.61"));
  CHECK(range_problem("task.sigma", range_of(TimestepLaw{.from = 0, .to = 1000}), sd, "the teacher").empty());
  CHECK_FALSE(range_problem("", range_of(TimestepLaw{.schedule = "ddpm_linear"}), sd, "").empty());
  CHECK(range_problem("", range_of(FlowTimeLaw{}), valid_range({.rule = "flow"}), "").empty());
}
