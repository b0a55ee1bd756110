// SPDX-License-Identifier: Apache-2.0
// A sampler as a configuration, and lists of seeds.
#include <ATen/core/Tensor.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "networks/denoiser.h"
#include "noise/timesteps.h"
#include "samplers/sampler_config.h"
#include "samplers/seeds.h"

using namespace onestep;
using Catch::Matchers::Contains;
using config::ConfigError;

namespace {

SamplerConfig read(const std::string& text) {
  return config::read<SamplerConfig>(config::parse(text, "test.yaml"));
}

SamplerConfig changed(const std::string& own, const std::string& changes) {
  return with_changes(read(own), {config::parse(changes, "changes")});
}

}  // namespace

TEST_CASE("a sampler's configuration") {
  const SamplerConfig student = read(R"({"solver": "one_step", "sigma_max": 2.5})");
  CHECK((sigmas_of(student) == std::vector<double>{2.5, 0}));
  CHECK((sigmas_of(read("{steps: 1}")) == std::vector<double>{80, 0}));
  CHECK((sigmas_of(read("{sigmas: [10, 3, 0.5, 0]}")) == std::vector<double>{10, 3, 0.5, 0}));
  CHECK(sigmas_of(read("{sigma_grid: vp, steps: 5, grid_parameters: [0.01]}")) ==
        sigma_grid({"vp", {}, {}, {}, {0.01}}, 5));
  CHECK(std::get<Sde>(solver_of(read("{solver: dpmpp2m_sde, eta: 0.5}")).stochastic).eta == 0.5);
  const SamplerConfig again =
      read(config::to_yaml(read("{solver: hb, order: 2, sigmas: [1, 0], guidance: 3, guidance_max: 10}")));
  CHECK(again.order == 2);
  CHECK(again.sigmas.size() == 2);
  CHECK(again.guidance == 3);
  CHECK(again.guidance_max == 10);
  CHECK_FALSE(again.eta.has_value());
}

TEST_CASE("a sampler's configuration that makes no sense") {
  const auto [text, message] = GENERATE(table<std::string, std::string>(
      {{"{solver: eular}", "did you mean 'euler'"},
       {"{solver: ''}", "solver"},
       {"{solver: euler, order: 2}", "has no order to set"},
       {"{solver: hb, order: 9}", "order"},
       {"{solver: hb, beta: 0}", "(0, 1]"},
       {"{solver: hb, beta: 2}", "beta"},
       {"{solver: ab4, churn: 3}", "stale noise"},
       {"{solver: heun, churn: -1}", "churn"},
       {"{solver: heun, eta: 1}", "has no noise that eta"},
       {"{solver: euler_ancestral, eta: -1}", "eta"},
       {"{solver: euler_ancestral, noise_scale: -1}", "noise_scale"},
       {"{steps: 0}", "steps"},
       {"{steps: 1.5}", "steps"},
       {"{sigma_min: 90}", "sigma_min must be below sigma_max"},
       {"{sigma_min: 0}", "sigma_min"},
       {"{rho: 0}", "rho"},
       {"{sigma_grid: karas}", "did you mean 'karras'"},
       {"{sigma_grid: exponential, rho: 3}", "has no rho"},
       {"{grid_parameters: [1]}", "takes 0 parameters, got 1"},
       {"{sigmas: [1, 2, 0]}", "1 is followed by 2"},
       {"{sigmas: [1, 1, 0]}", "1 is followed by 1"},
       {"{schedule: sdd}", "schedule"},
       {"{schedule: sd}", "sigma grid 'karras': has no schedule"},
       {"{last: first_timestep}", "sigma grid 'karras': has no first timestep to end in"},
       {"{last: first}", "last"},
       {"{start: vpp}", "did you mean 'vp'"},
       {"{sigma_grid: leading, sigma_max: 3}", "has no sigma_max"},
       {"{sigma_grid: leading, grid_parameters: [1], steps: 1000}", "outside 0 to 999"},
       {"{solver: one_step, sigma_grid: leading, last: first_timestep}", "one_step ends in noise level 0"},
       {"{sigmas: [2, 1]}", "must end in 0"},
       {"{sigmas: [0]}", "at least two"},
       {"{sigmas: [2, -1, 0]}", "sigmas"},
       {"{sigmas: [.nan, 0]}", "sigmas"},
       {"{solver: one_step, sigmas: [2, 1, 0]}", "one_step takes two sigmas"},
       {"{guidance: -1}", "guidance"},
       {"{guidance_min: 3, guidance_max: 2}", "guidance_min must be below guidance_max"},
       {"{guidance_min: 2, guidance_max: 2}", "guidance_min must be below guidance_max"},
       {"{threshold: statik}", "threshold"},
       {"{threshold_percentile: 1.5}", "threshold_percentile"},
       {"{stepps: 4}", "did you mean 'steps'"}}));
  INFO(text);
  CHECK_THROWS_AS(read(text), ConfigError);
  CHECK_THROWS_WITH(read(text), Contains(message));
}

TEST_CASE("what a user says is laid over the model's own sampler") {
  const std::string student = R"({"solver": "one_step", "sigma_max": 2.5})";
  CHECK(changed(student, "{}").solver == "one_step");
  CHECK(changed(student, "{solver: heun, steps: 4}").sigma_max == 2.5);
  CHECK(changed(student, "{solver: heun, steps: 4}").steps == 4);
  CHECK(changed(student, "{steps: 1}").solver == "one_step");
  CHECK_THROWS_WITH(changed(student, "{steps: 4}"), Contains("one_step makes one step, not 4"));
  CHECK_THROWS_AS(changed(student, "{steps: 4}"), ConfigError);

  const std::string momentum = "{solver: hb, order: 2, beta: 0.5, sigmas: [3, 1, 0], guidance: 4}";
  CHECK(changed(momentum, "{beta: 0.25}").order == 2);
  CHECK(changed(momentum, "{beta: 0.25}").beta == 0.25);
  CHECK(changed(momentum, "{beta: 0.25}").sigmas.size() == 3);
  const SamplerConfig anew = changed(momentum, "{solver: heun}");
  CHECK_FALSE(anew.order.has_value());
  CHECK_FALSE(anew.beta.has_value());
  CHECK(anew.sigmas.empty());
  CHECK(anew.guidance == 4);
  CHECK(changed(momentum, "{solver: nt, beta: 0.3}").beta == 0.3);
  CHECK(changed(momentum, "{solver: nt, sigmas: [5, 0]}").sigmas[0] == 5);

  const SamplerConfig quiet =
      changed("{solver: euler_ancestral, eta: 0.5, noise_scale: 1.1}", "{solver: heun}");
  CHECK_FALSE(quiet.eta.has_value());
  CHECK_FALSE(quiet.noise_scale.has_value());
  const SamplerConfig calm =
      changed("{solver: heun, churn: 3, churn_min: 0.1, churn_max: 9}", "{solver: dpmpp2m}");
  CHECK_FALSE((calm.churn.has_value() || calm.churn_min.has_value() || calm.churn_max.has_value()));
}

TEST_CASE("a grid that is described anew replaces what there was") {
  const std::string list = "{sigmas: [3, 1, 0]}";
  for (const std::string anew :
       {"{steps: 4}", "{rho: 5}", "{sigma_max: 50}", "{sigma_min: 0.1}", "{sigma_grid: linear}"})
    CHECK(changed(list, anew).sigmas.empty());
  CHECK(changed(list, "{sigmas: [2, 0]}").sigmas.size() == 2);
  const std::string beta =
      "{sigma_grid: beta, sigma_min: 0.1, sigma_max: 50, rho: 5, grid_parameters: [0.7, 0.7]}";
  CHECK(changed(beta, "{steps: 4}").grid_parameters.size() == 2);
  const SamplerConfig exponential = changed(beta, "{sigma_grid: exponential, sigma_max: 40}");
  CHECK(exponential.grid_parameters.empty());
  CHECK_FALSE(exponential.rho.has_value());
  CHECK_FALSE(exponential.sigma_min.has_value());
  CHECK(exponential.sigma_max == 40);
  CHECK_THROWS_WITH(changed("{}", "{sigmas: [2, 0], steps: 3}"),
                    Contains("say either them or steps, sigma_grid, sigma_min, sigma_max, rho, "
                             "grid_parameters, schedule, last"));
  const std::string ddim =
      "{sigma_grid: leading, grid_parameters: [1], schedule: cosine, last: first_timestep, start: vp}";
  CHECK(changed(ddim, "{steps: 4}").last == "first_timestep");
  const SamplerConfig karras = changed(ddim, "{sigma_grid: karras}");
  CHECK(karras.schedule == "own");
  CHECK(karras.last == "zero");
  CHECK(karras.start == "vp");  // the process stays what it is
}

TEST_CASE("a grid takes a model's own timesteps, and stays inside what it knows") {
  const auto model = [](const std::string& preconditioning) {
    const auto p = config::read<PreconditioningConfig>(config::parse(preconditioning, "test.yaml"));
    return make_denoiser({p, MlpConfig{.width = 4, .depth = 0}}, 0);
  };
  const auto levels = [](const std::string& sampler, const Denoiser& of) {
    return sigmas_of(for_model(read(sampler), of));
  };
  const std::string grid = "{sigma_grid: trailing, steps: 2}";
  const std::vector<double> sd = schedule_levels("sd"), linear = schedule_levels("ddpm_linear");
  const Denoiser stable = model("{rule: epsilon}"), dit = model("{rule: epsilon, schedule: ddpm_linear}");
  CHECK(levels(grid, stable) == std::vector<double>{sd[999], sd[499], 0});
  CHECK(levels(grid, dit) == std::vector<double>{linear[999], linear[499], 0});
  CHECK(levels(grid, model("{rule: flow}")) == std::vector<double>{sd[999], sd[499], 0});
  CHECK(levels("{sigma_grid: trailing, steps: 2, schedule: sd}", dit) ==
        std::vector<double>{sd[999], sd[499], 0});
  CHECK(levels("{sigma_grid: karras, steps: 9}", stable) ==
        sigma_grid({"karras", sd.front(), sd.back(), {}, {}}, 9));
  CHECK(levels("{sigma_grid: flow, steps: 2}", model("{rule: flow}"))[0] == 1e6);
  CHECK_THROWS_WITH(
      levels("{sigma_grid: flow}", stable),
      Contains("sampler: noise levels 0.001001 to 1e+06 are outside 0.02917 to 14.61, which the "
               "model knows"));
  CHECK_THROWS_WITH(levels("{sigma_grid: trailing, schedule: ddpm_linear}", stable),
                    Contains("to 157.4 are outside"));
  CHECK_THROWS_AS(levels("{sigma_grid: flow}", stable), ConfigError);
}

TEST_CASE("changes that make no sense are refused") {
  const auto [changes, message] =
      GENERATE(table<std::string, std::string>({{"{solver: eular}", "did you mean"},
                                                {"{order: 3}", "has no order"},
                                                {"{steps: 0}", "steps"},
                                                {"{steps: many}", "steps"},
                                                {"{stepps: 3}", "stepps"},
                                                {"{sigmas: [1, 2, 0]}", "followed"},
                                                {"{churn_min: 1}", "need churn"}}));
  INFO(changes);
  CHECK_THROWS_AS(changed("{}", changes), ConfigError);
  CHECK_THROWS_WITH(changed("{}", changes), Contains(message));
}

TEST_CASE("seeds by numbers and ranges") {
  CHECK(parse_seeds("7") == std::vector<int64_t>{7});
  CHECK((parse_seeds("0-3,100") == std::vector<int64_t>{0, 1, 2, 3, 100}));
  CHECK(parse_seeds("9223372036854775806-9223372036854775807").size() == 2);
  for (const std::string text : {"", ",", "1,", "-1", "1-", "3-1", "1-2-3", "a", "1 2", "0x5", "1.5", "+1",
                                 "9223372036854775808", "\n"}) {
    INFO(text);
    CHECK_THROWS_WITH(parse_seeds(text), Contains("such as 0-63,100"));
  }
  CHECK_THROWS_WITH(parse_seeds("0-9223372036854775807"), Contains("more than 10000000"));
  CHECK_THROWS_WITH(parse_seeds("0-9999999,5"), Contains("more than 10000000"));
  CHECK_THROWS_WITH(parse_seeds("4,0-9,12"), Contains("seeds: 4 is named twice"));
  CHECK(repeated_seed({7, 3, 7}) == std::optional<int64_t>(7));
  CHECK(repeated_seed({7, 3}) == std::nullopt);
}
