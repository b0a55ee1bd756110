// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include "noise/sigma_grid.h"
#include "samplers/solver_names.h"
#include "samplers/toys.h"

/// The order of a solver, measured: how its error falls as the steps shrink, on data whose path is known.
namespace onestep::orders {

enum class Spacing { even, karras };

inline constexpr double kFrom = 5, kTo = 0.5;
/// Steps down the exact path before a run. A velocity forgets where it began as (1 − β)^60.
inline constexpr int64_t kPast = 60;

/// σ(u), from kFrom at u = 0 to kTo at 1, and above kFrom before.
inline double level(Spacing spacing, double u) {
  const double rho = spacing == Spacing::karras ? 7 : 1;
  return std::pow(std::lerp(std::pow(kFrom, 1 / rho), std::pow(kTo, 1 / rho), u), rho);
}

/// The levels numbered first … last of a grid of n steps.
inline std::vector<double> levels(Spacing spacing, int64_t n, int64_t first, int64_t last) {
  std::vector<double> sigmas;
  for (int64_t i = first; i <= last; ++i)
    sigmas.push_back(level(spacing, static_cast<double>(i) / static_cast<double>(n)));
  return sigmas;
}

/// A denoiser and a path of it.
struct Truth {
  Denoise denoise;
  std::function<at::Tensor(double sigma)> path;
};

/// Of `data`, from several places at kFrom, lest an error cancel by chance.
template <class Data>
Truth truth(const Data& data) {
  const at::Tensor start = at::tensor({-6.0, -2.5, 0.7, 4.0}, at::kDouble);
  return {data.denoise(), [=](double sigma) { return data.path(start, kFrom, sigma); }};
}

/// What `solver` remembers at the last of `sigmas` when it came down the exact path: it makes its steps
/// there, each from the path itself, whatever the last one led to.
inline History exact_history(const Solver& solver, const Truth& truth, const std::vector<double>& sigmas) {
  History history;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const at::Tensor x = truth.path(sigmas[i]);
    std::visit([&](const auto& m) { step(m, truth.denoise, x, sigmas[i], sigmas[i + 1], history); },
               solver.method);
    history.base = x;  // the state that UniPC corrects from
  }
  return history;
}

/// Relative error at kTo after n steps with exact history.
inline double error(const Solver& solver, const Truth& truth, Spacing spacing, int64_t n) {
  const at::Tensor end = integrate(solver, truth.denoise, truth.path(kFrom), levels(spacing, n, 0, n),
                                   exact_history(solver, truth, levels(spacing, n, -kPast, 0)));
  return toys::relative_error(end, truth.path(kTo));
}

/// log₂ of what halving the steps divides the error by, once that has settled, or at the finest grid whose
/// error rounding leaves alone.
inline double measured_order(const Solver& solver, const Truth& truth, Spacing spacing) {
  constexpr double kRounding = 1e-11, kSettled = 0.03;
  double before = error(solver, truth, spacing, 100), order = 0;
  for (int64_t n = 200; n <= 3200; n *= 2) {
    const double now = error(solver, truth, spacing, n), was = order;
    if (now < kRounding) break;
    order = std::log2(before / now);
    before = now;
    if (std::abs(order - was) < kSettled) break;
  }
  return order;
}

/// Network calls of a run of n steps, the one to 0 included.
inline int64_t network_calls(const Solver& solver, int64_t n) {
  int64_t calls = 0;
  const Denoise half = [&calls](const at::Tensor& x, double) { return ++calls, 0.5 * x; };
  History history;
  history.noise = [](int64_t, int64_t) { return at::ones({1}, at::kDouble); };
  integrate(solver, half, at::ones({1}, at::kDouble), sigma_grid({}, n), history);
  return calls;
}

/// A row of the table of orders: what the tests hold every solver to.
struct Claim {
  std::string name;
  int even, karras;
};

inline const std::vector<Claim>& claims() {
  static const std::vector<Claim> table{
      {"euler", 1, 1},         {"heun", 2, 2},         {"midpoint", 2, 2},     {"ralston", 2, 2},
      {"dpm2", 2, 2},          {"dpmpp2s", 2, 2},      {"ab1", 1, 1},          {"ab2", 2, 2},
      {"ab3", 3, 2},           {"ab4", 4, 2},          {"plms", 4, 2},         {"ab5", 5, 2},
      {"lms1", 1, 1},          {"lms2", 2, 2},         {"lms3", 3, 3},         {"lms4", 4, 4},
      {"lms5", 5, 5},          {"deis1", 1, 1},        {"deis2", 2, 2},        {"deis3", 3, 3},
      {"deis4", 4, 4},         {"deis5", 5, 5},        {"dpmpp1m", 1, 1},      {"dpmpp2m", 2, 2},
      {"dpmpp2m_heun", 2, 2},  {"dpmpp2m_bh1", 2, 2},  {"dpmpp3m", 2, 2},      {"unip1", 1, 1},
      {"unip2", 2, 2},         {"unip3", 3, 3},        {"unipc1", 2, 2},       {"unipc2", 3, 3},
      {"unipc3", 4, 4},        {"unipc1_bh1", 2, 2},   {"unipc2_bh1", 3, 3},   {"unipc3_bh1", 4, 4},
      {"unipc2_heun", 3, 3},   {"hb0.8", 1, 1},        {"hb1.8", 1, 1},        {"hb3.8", 1, 1},
      {"nt0.8", 1, 1},         {"nt1.8", 1, 1},        {"nt3.8", 1, 1},        {"ghvb0.8", 1, 1},
      {"ghvb1.8", 2, 2},       {"ghvb2.8", 3, 2},      {"ghvb3.8", 4, 2},      {"ghvb4.8", 5, 2},
      {"ghvb3.5", 4, 2},       {"lms2_ghvb0.8", 2, 2}, {"lms3_ghvb0.8", 3, 3}, {"lms4_ghvb0.8", 4, 4},
      {"deis3_ghvb0.8", 3, 3}, {"lms4_hb0.8", 1, 1},   {"deis3_nt0.8", 1, 1},  {"dpmpp2m_hb0.8", 1, 1},
      {"dpmpp2m_nt0.8", 1, 1}, {"unip2_hb0.8", 1, 1},  {"unipc2_hb0.8", 1, 1}, {"unipc3_hb0.8", 1, 1},
  };
  return table;
}

}  // namespace onestep::orders
