// SPDX-License-Identifier: Apache-2.0
// One exact denoiser, seen through a network of each kind: whatever a teacher predicts, D is the same, and so
// is all that is made of it.
#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Logging.h>
#include <catch2/catch.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "closeness.h"
#include "divergences/divergence.h"
#include "kernels/philox.h"
#include "losses/expanded.h"
#include "losses/integral.h"
#include "networks/gaussian_mixture.h"
#include "noise/preconditioning.h"
#include "samplers/integrate.h"
#include "samplers/solver_names.h"

using namespace onestep;
using test::relative_error;

namespace {

constexpr double kData = 0.7;  // sigma_data

/// The level that a network of this kind is told of.
using LevelOf = at::Tensor (*)(const at::Tensor& told, const at::Tensor& levels);
/// x = y + σn from what it is given.
using ImageOf = at::Tensor (*)(const at::Tensor& given, const at::Tensor& sigma);
/// What it predicts of image y and noise n.
using Predict = at::Tensor (*)(const at::Tensor& y, const at::Tensor& n, const at::Tensor& sigma);

at::Tensor between_levels(const at::Tensor& told, const at::Tensor& levels) {
  const at::Tensor low = told.floor().clamp_max(998).to(at::kLong), logs = levels.log();
  const at::Tensor a = logs.index_select(0, low), b = logs.index_select(0, low + 1);
  return (a + (told - low) * (b - a)).exp();
}

at::Tensor unit_variance(const at::Tensor& given, const at::Tensor& sigma) {
  return given * (1 + sigma * sigma).sqrt();
}
at::Tensor data_variance(const at::Tensor& given, const at::Tensor& sigma) {
  return given * (kData * kData + sigma * sigma).sqrt();
}
at::Tensor on_flow(const at::Tensor& given, const at::Tensor& sigma) {
  return given * (1 + sigma);
}

at::Tensor noise(const at::Tensor&, const at::Tensor& n, const at::Tensor&) {
  return n;
}

struct Kind {
  PreconditioningConfig config;
  LevelOf level;
  ImageOf image;
  Predict predict;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {{.rule = "edm", .sigma_data = kData},
       [](const at::Tensor& told, const at::Tensor&) { return (4 * told).exp(); },
       data_variance,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor& sigma) {
         return (sigma * y / kData - kData * n) / (sigma * sigma + kData * kData).sqrt();
       }},
      {{.rule = "trig", .sigma_data = kData},
       [](const at::Tensor& told, const at::Tensor&) { return kData * told.tan(); },
       data_variance,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor& sigma) {
         const at::Tensor t = (sigma / kData).atan();
         return t.cos() * n - t.sin() * y / kData;
       }},
      {{.rule = "epsilon", .schedule = "sd"}, between_levels, unit_variance, noise},
      {{.rule = "v", .schedule = "ddpm_linear"},
       between_levels,
       unit_variance,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor& sigma) {
         const at::Tensor alpha = 1 / (1 + sigma * sigma).sqrt();
         return alpha * n - sigma * alpha * y;
       }},
      {{.rule = "image", .schedule = "cosine"},
       between_levels,
       unit_variance,
       [](const at::Tensor& y, const at::Tensor&, const at::Tensor&) { return y; }},
      {{.rule = "flow"},
       [](const at::Tensor& told, const at::Tensor&) { return told / (1000 - told); },
       on_flow,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor&) { return n - y; }},
      {{.rule = "flow_to_data"},
       [](const at::Tensor& told, const at::Tensor&) { return 1 / told - 1; },
       on_flow,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor&) { return y - n; }},
      {{.rule = "gvp"},
       [](const at::Tensor& told, const at::Tensor&) { return 1 / (std::numbers::pi / 2 * told).tan(); },
       unit_variance,
       [](const at::Tensor& y, const at::Tensor& n, const at::Tensor& sigma) {
         const at::Tensor u = (1 / sigma).atan();  // α = sin u, s = cos u, u = πt/2
         return std::numbers::pi / 2 * (u.cos() * y - u.sin() * n);
       }},
      {{.rule = "vp"},
       [](const at::Tensor& told, const at::Tensor&) {
         const at::Tensor t = told / 999;
         return (9.95 * t * t + 0.1 * t).expm1().sqrt();
       },
       unit_variance,
       noise},
      {{.rule = "ve"},
       [](const at::Tensor& told, const at::Tensor&) { return 2 * told.exp(); },
       [](const at::Tensor& given, const at::Tensor&) { return given; },
       [](const at::Tensor&, const at::Tensor& n, const at::Tensor&) { return -n; }},
      {{.rule = "iddpm"},
       [](const at::Tensor& told, const at::Tensor& levels) {
         return levels.index_select(0, told.to(at::kLong));
       },
       unit_variance,
       noise},
  };
  return all;
}

GaussianMixture mixture(double shift, double width) {
  const at::Tensor means = at::tensor({-0.8, 0.3, 0.5, 0.9, -0.4, 0.1}, at::kDouble).reshape({3, 2, 1, 1});
  return make_gaussian_mixture(at::tensor({0.5, 0.3, 0.2}), means + shift,
                               width * (1 + at::arange(6, at::kDouble).reshape({3, 2, 1, 1}) / 6));
}

/// D of a network of this kind that predicts what an exact denoiser knows; it sees what a network sees alone.
at::Tensor dressed(const Kind& kind, const GaussianMixture& exact, const at::Tensor& x,
                   const at::Tensor& sigma) {
  const Preconditioning p = make_preconditioning(kind.config);
  const Coefficients c = coefficients(p, sigma.expand({x.size(0)}));
  const at::Tensor level = kind.level(c.c_noise, p.levels), column = level.reshape({-1, 1, 1, 1});
  const at::Tensor seen = kind.image(c.c_in * x, column);
  const at::Tensor y = denoise(exact, seen, level);
  return c.c_skip * x + c.c_out * kind.predict(y, (seen - y) / column, column);
}

/// Levels that every kind knows, iDDPM's whole steps too.
std::vector<double> common_levels() {
  const std::vector<double> levels = schedule_levels("cosine");
  return {levels[900], levels[700], levels[500], levels[300], levels[100]};
}

struct Point {
  at::Tensor y = kernels::philox_normal(3, 1, at::arange(5), {2, 1, 1}, at::kCPU).to(at::kDouble);
  at::Tensor epsilon = kernels::philox_normal(3, 2, at::arange(5), {2, 1, 1}, at::kCPU).to(at::kDouble);
  at::Tensor sigma = at::tensor(common_levels(), at::kDouble);
  at::Tensor x(const at::Tensor& image) const { return image + sigma.reshape({-1, 1, 1, 1}) * epsilon; }
};

}  // namespace

TEST_CASE("Every preconditioning is in the test of invariance") {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.push_back(kind.config.rule);
  CHECK(names == preconditioning_names());
}

TEST_CASE("One exact denoiser in every parametrisation is one D") {
  const GaussianMixture exact = mixture(0, 0.3);
  const Point at;
  const at::Tensor x = at.x(at.y), expected = denoise(exact, x, at.sigma);
  for (const Kind& kind : kinds()) {
    INFO(kind.config.rule);
    CHECK(relative_error(dressed(kind, exact, x, at.sigma), expected) < 1e-12);
  }
}

TEST_CASE("Samples do not depend on what the teacher predicts") {
  const GaussianMixture exact = mixture(0, 0.3);
  std::vector<double> sigmas = common_levels();
  sigmas.push_back(0);
  const at::Tensor start = sigmas[0] * Point().epsilon;
  for (const char* solver : {"heun", "dpmpp2m", "hb2.8"}) {
    INFO(solver);
    const auto draw = [&](const Denoise& d) { return integrate(parse_solver(solver), d, start, sigmas); };
    const auto level = [](double sigma) { return at::tensor({sigma}, at::kDouble); };
    const at::Tensor expected =
        draw([&](const at::Tensor& x, double sigma) { return denoise(exact, x, level(sigma)); });
    for (const Kind& kind : kinds()) {
      INFO(kind.config.rule);
      CHECK(relative_error(draw([&](const at::Tensor& x, double sigma) {
                             return dressed(kind, exact, x, level(sigma));
                           }),
                           expected) < 1e-11);
    }
  }
}

TEST_CASE(
    "f-distill's, SiD's and Uni-Instruct's losses and gradients do not depend on what networks predict") {
  const GaussianMixture p = mixture(0, 0.3), q = mixture(0.2, 0.45);
  const Point at;
  using D = std::function<at::Tensor(const at::Tensor&)>;
  struct Result {
    at::Tensor f_distill, value, gradient;
  };
  const auto losses = [&](const ExpandedConfig& config, const DivergenceConfig& divergence, const D& teacher,
                          const D& fake) {
    const at::Tensor y = at.y.clone().requires_grad_(), x = at.x(y);
    const at::Tensor d_p = teacher(x), d_q = fake(x);
    const at::Tensor r = (log_density(p, x.detach(), at.sigma) - log_density(q, x.detach(), at.sigma)).exp();
    const DivergenceWeights weights = divergence_weights(divergence, r);
    const at::Tensor loss = expanded_loss(config, y, x, d_p, d_q, at.sigma, weights);
    loss.sum().backward();
    const at::Tensor pulled =
        score_difference({}, at.y, d_p.detach(), d_q.detach(), at.sigma, weights.h).gradient;
    return Result{pulled, loss.detach(), y.grad()};
  };
  const auto exactly = [&](const GaussianMixture& m) {
    return D([&](const at::Tensor& x) { return denoise(m, x, at.sigma); });
  };
  struct Method {
    ExpandedConfig config;
    DivergenceConfig divergence;
  };
  for (const auto& [config, divergence] :
       {Method{{.alpha = 1.2}, {.name = "reverse_kl"}}, Method{{.form = "exact"}, {.name = "forward_kl"}},
        Method{{.form = "paper"}, {.name = "jensen_shannon"}}}) {
    INFO(divergence.name);
    const Result expected = losses(config, divergence, exactly(p), exactly(q));
    for (const Kind& teacher : kinds()) {
      for (const Kind& fake : kinds()) {
        INFO(teacher.config.rule << " and " << fake.config.rule);
        const Result seen = losses(
            config, divergence, [&](const at::Tensor& x) { return dressed(teacher, p, x, at.sigma); },
            [&](const at::Tensor& x) { return dressed(fake, q, x, at.sigma); });
        CHECK(relative_error(seen.f_distill, expected.f_distill) < 1e-10);
        CHECK(relative_error(seen.value, expected.value) < 1e-10);
        CHECK(relative_error(seen.gradient, expected.gradient) < 1e-10);
      }
    }
  }
}
