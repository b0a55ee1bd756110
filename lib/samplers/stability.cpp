// SPDX-License-Identifier: Apache-2.0
#include "samplers/stability.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/fft_fft.h>
#include <ATen/ops/linalg_det.h>
#include <ATen/ops/linalg_eigvals.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include "config/node.h"
#include "samplers/solver_names.h"

namespace onestep {
namespace {

using Complex = std::complex<double>;

// How far from σ = 0, in steps: the rules in ln σ are off by its inverse, and lose as many digits.
constexpr double kFar = 1e7;
// Steps before orders are full and averages over all of a run forget its start: 0.9^300 = 2e-14.
constexpr int64_t kWarmUp = 300;
// Below it state and velocity have one eigenvalue, but for rounding.
constexpr double kLeastBeta = 1e-6;
// Above 1 by rounding alone.
constexpr double kNeutral = 1 + 1e-10;

at::Scalar scalar(Complex z) {
  return c10::complex<double>(z.real(), z.imag());
}

/// e^{2πij/n}, j = 0 … count − 1.
at::Tensor unit_circle(int64_t n, int64_t count) {
  const at::Tensor angle = at::arange(count, at::kDouble) * (2 * std::numbers::pi / static_cast<double>(n));
  return at::polar(at::ones({count}, at::kDouble), angle);
}

std::vector<Complex> numbers(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  const auto* data = reinterpret_cast<const Complex*>(dense.data_ptr<c10::complex<double>>());
  return {data, data + dense.numel()};
}

void require_region(Solver solver) {
  const auto refuse = [&](const char* why) {
    throw config::ConfigError("solver '" + solver_name(solver) + "' has no stability region: " + why);
  };
  if (std::holds_alternative<OneStep>(solver.method)) refuse("it makes a single step, to sigma 0");
  if (is_stochastic(solver)) refuse("it puts noise in");
  if (const double* beta = momentum_beta(solver); beta && *beta < kLeastBeta)
    refuse("its beta is below 1e-6");
}

/// All that a step reads and writes.
std::vector<at::Tensor*> places(at::Tensor& x, History& history) {
  std::vector<at::Tensor*> list{&x};
  for (at::Tensor& value : history.values) list.push_back(&value);
  for (at::Tensor& velocity : history.velocities) list.push_back(&velocity);
  for (at::Tensor* one : {&history.base, &history.corrector_velocity})
    if (one->defined()) list.push_back(one);
  return list;
}

/// A run of equal steps on y' = λy, of length 1 in σ.
struct Run {
  const Solver& solver;
  double sigma = kFar;
  at::Tensor x = at::ones({1}, at::kDouble);
  History history = {};
  int64_t calls = 0;  ///< of the newest step

  void advance(const at::Scalar& z) {
    calls = 0;
    const Denoise linear = [&](const at::Tensor& y, double level) {  // h = −1, so that λ = −z
      ++calls;
      return y + level * (z * y);
    };
    ++history.step;
    x = std::visit([&](const auto& method) { return step(method, linear, x, sigma, sigma - 1, history); },
                   solver.method);
    sigma -= 1;
  }
};

/// M(z), from a run that is under way.
at::Tensor read_matrix(Run run, const at::Scalar& z) {
  const std::vector<at::Tensor*> in = places(run.x, run.history);
  const auto n = static_cast<int64_t>(in.size());
  const std::vector<at::Tensor> unit = at::eye(n, at::kComplexDouble).unbind();
  for (int64_t i = 0; i < n; ++i) *in[i] = unit[i];
  run.advance(z);
  std::vector<at::Tensor> rows;
  for (const at::Tensor* out : places(run.x, run.history)) rows.push_back(*out);
  TORCH_CHECK(static_cast<int64_t>(rows.size()) == n, "amplification: the history is not full yet");
  return at::stack(rows);
}

/// The coefficients of a polynomial from its values on the unit circle, which are the first dimension.
at::Tensor coefficients(const at::Tensor& values) {
  return at::fft_fft(values, {}, 0, "forward");
}

/// The roots [P, d] of polynomials [d + 1, P], lowest power first, as the eigenvalues of companion matrices.
at::Tensor roots(const at::Tensor& polynomials) {
  const int64_t d = polynomials.size(0) - 1;
  if (d == 1) return -polynomials[0] / polynomials[1];
  at::Tensor companion = at::zeros({polynomials.size(1), d, d}, at::kComplexDouble);
  companion.diagonal(-1, 1, 2).fill_(1);
  companion.select(2, d - 1).copy_((-polynomials.narrow(0, 0, d) / polynomials[d]).t());
  return at::linalg_eigvals(companion);
}

/// From the heads of the curves on, each to the nearest of the roots.
void follow(std::vector<Curve>& curves, std::vector<Complex> found) {
  for (Curve& curve : curves) {
    const auto next = curve.empty() ? found.begin() : std::ranges::min_element(found, {}, [&](Complex root) {
      return std::abs(root - curve.back());
    });
    if (std::isfinite(next->real()) && std::isfinite(next->imag())) curve.push_back(*next);
    found.erase(next);
  }
}

/// Part of a row of the stable region.
struct Span {
  double from, to;
};

/// Where the row Im z = y is stable: between neighbouring points of the locus either all is or nothing.
std::vector<Span> stable_spans(const Amplification& m, const std::vector<Curve>& locus, double y) {
  std::vector<double> crossings;
  for (const Curve& curve : locus) {
    for (size_t i = 0; i + 1 < curve.size(); ++i) {
      const Complex a = curve[i], b = curve[i + 1];
      if ((a.imag() <= y) == (b.imag() <= y)) continue;
      crossings.push_back(a.real() + (y - a.imag()) / (b.imag() - a.imag()) * (b.real() - a.real()));
    }
  }
  std::ranges::sort(crossings);
  std::vector<Span> spans;
  for (size_t i = 0; i + 1 < crossings.size(); ++i) {
    const double from = crossings[i], to = crossings[i + 1];
    if (spectral_radius(m, {(from + to) / 2, y}) > kNeutral) continue;
    if (!spans.empty() && spans.back().to == from) {
      spans.back().to = to;
    } else {
      spans.push_back({from, to});
    }
  }
  return spans;
}

/// A polygon that grows row by row.
struct Growing {
  Span newest;
  Curve left, right;

  void add(const Span& span, double y) {
    newest = span;
    left.emplace_back(span.from, y);
    right.emplace_back(span.to, y);
  }
  Curve closed() const {
    Curve all = left;
    all.insert(all.end(), right.rbegin(), right.rend());
    return all;
  }
};

}  // namespace

at::Tensor Amplification::operator()(Complex z) const {
  at::Tensor sum = powers.back();
  for (size_t p = powers.size() - 1; p-- > 0;) sum = sum * scalar(z) + powers[p];
  return sum;
}

Amplification amplification(const Solver& solver) {
  require_region(solver);
  const c10::NoGradGuard no_grad;
  Run run{solver};
  for (int64_t i = 0; i < kWarmUp; ++i) run.advance(0);
  // A step's every call brings in one factor of z.
  std::vector<at::Tensor> matrices;
  for (const Complex z : numbers(unit_circle(run.calls + 1, run.calls + 1)))
    matrices.push_back(read_matrix(run, scalar(z)));
  return {coefficients(at::stack(matrices)).unbind()};
}

double spectral_radius(const Amplification& m, Complex z) {
  return at::linalg_eigvals(m(z)).abs().max().item<double>();
}

double real_axis_limit(const Amplification& m) {
  const auto stable = [&](double z) { return spectral_radius(m, z) <= kNeutral; };
  constexpr double kFirst = 1e-3, kLast = 1e9, kStretch = 1.05;
  double inner = -kFirst, outer = inner;
  while (stable(outer)) {
    inner = outer;
    outer *= kStretch;
    TORCH_CHECK(outer > -kLast, "real_axis_limit: there is none above ", -kLast);
  }
  while (inner - outer > 1e-10 * std::abs(outer)) {
    const double middle = (inner + outer) / 2;
    (stable(middle) ? inner : outer) = middle;
  }
  return inner;
}

std::vector<Curve> boundary_locus(const Amplification& m, int64_t points) {
  TORCH_CHECK(points >= 3, "boundary_locus: at least 3 points, got ", points);
  // The determinant has the degree of M itself: the z of a call stands in one row of the system that has the
  // step's calls among its unknowns.
  const auto nodes = static_cast<int64_t>(m.powers.size());
  const at::Tensor zeta = unit_circle(points, points + 1).reshape({-1, 1, 1});
  const at::Tensor one = at::eye(m.powers[0].size(0), at::kComplexDouble);
  std::vector<at::Tensor> determinants;
  for (const Complex z : numbers(unit_circle(nodes, nodes)))
    determinants.push_back(at::linalg_det(zeta * one - m(z)));
  const std::vector<Complex> all = numbers(roots(coefficients(at::stack(determinants))));
  const int64_t degree = nodes - 1;
  std::vector<Curve> curves(degree);
  for (int64_t j = 0; j <= points; ++j)
    follow(curves, {all.begin() + j * degree, all.begin() + (j + 1) * degree});
  return curves;
}

bool on_boundary(const Amplification& m, Complex z) {
  return spectral_radius(m, z) < 1 + 1e-6;
}

std::vector<Curve> stable_region(const Amplification& m, const std::vector<Curve>& locus, int64_t rows) {
  double top = 0;
  for (const Curve& curve : locus)
    for (const Complex z : curve)
      if (z.imag() > top && on_boundary(m, z)) top = z.imag();
  std::vector<Curve> closed;
  std::vector<Growing> open;
  for (int64_t row = 0; row < rows; ++row) {
    // In the middle of rows, for the locus has points on the real axis.
    const double y = top * (static_cast<double>(2 * row + 1) / static_cast<double>(rows) - 1);
    std::vector<Growing> grown;
    for (const Span& span : stable_spans(m, locus, y)) {
      const auto below = std::ranges::find_if(
          open, [&](const Growing& p) { return p.newest.from < span.to && span.from < p.newest.to; });
      grown.push_back(below == open.end() ? Growing{} : std::move(*below));
      if (below != open.end()) open.erase(below);
      grown.back().add(span, y);
    }
    for (const Growing& ended : open) closed.push_back(ended.closed());
    open = std::move(grown);
  }
  for (const Growing& ended : open) closed.push_back(ended.closed());
  return closed;
}

Solver base_method(const Solver& solver) {
  Solver base = solver;
  if (auto* multistep = std::get_if<Multistep>(&base.method);
      multistep != nullptr && multistep->momentum.kind != Momentum::Kind::none) {
    multistep->momentum = {};
    return base;
  }
  if (auto* unipc = std::get_if<UniPC>(&base.method); unipc != nullptr && unipc->beta < 1) {
    unipc->beta = 1;
    return base;
  }
  return {Euler{}};
}

}  // namespace onestep
