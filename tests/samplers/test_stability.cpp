// SPDX-License-Identifier: Apache-2.0
// Growth and decay on y' = λy, against closed forms and against runs.
#include <cmath>
#include <complex>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/node.h"
#include "pages/chart_style.h"
#include "pages/xml.h"
#include "samplers/integrate.h"
#include "samplers/solver_names.h"
#include "samplers/stability.h"
#include "samplers/stability_chart.h"

using namespace onestep;
using Catch::Matchers::Contains;
using Complex = std::complex<double>;

namespace {

Amplification read(const std::string& name) {
  return amplification(parse_solver(name));
}

Amplification read(const std::string& family, int64_t order, double beta) {
  return amplification(parse_solver(family, {.order = order, .beta = beta}));
}

/// What the network calls of single steps make of x, a 1 × 1 matrix.
Complex factor(const Amplification& m, Complex z) {
  const at::Tensor matrix = m(z);
  REQUIRE(matrix.sizes() == at::IntArrayRef{1, 1});
  const auto value = matrix.item<c10::complex<double>>();
  return {value.real(), value.imag()};
}

const std::vector<Complex> kPlaces{-0.4, {-0.2, 0.7}, {0.3, -0.1}, -2.5, {-1, 1}};

/// The |z| at which errors begin to grow on the ray of direction `towards`, by bisection.
double limit_along(const Amplification& m, Complex towards, double stable, double unstable) {
  REQUIRE(spectral_radius(m, stable * towards) <= 1);
  REQUIRE(spectral_radius(m, unstable * towards) > 1);
  while (unstable - stable > 1e-9) {
    const double middle = (stable + unstable) / 2;
    (spectral_radius(m, middle * towards) <= 1 ? stable : unstable) = middle;
  }
  return stable;
}

/// Whether a point is within a closed polygon, by the crossings to its left.
bool within(const Curve& polygon, Complex z) {
  bool inside = false;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Complex a = polygon[i], b = polygon[(i + 1) % polygon.size()];
    if ((a.imag() <= z.imag()) == (b.imag() <= z.imag())) continue;
    const double x = a.real() + (z.imag() - a.imag()) / (b.imag() - a.imag()) * (b.real() - a.real());
    if (x < z.real()) inside = !inside;
  }
  return inside;
}

}  // namespace

TEST_CASE("stability: on the real axis momentum on Adams–Bashforth ends where the closed forms say") {
  const auto [order, a] =
      GENERATE(table<int64_t, double>({{1, 2.0}, {2, 1.0}, {3, 6.0 / 11}, {4, 3.0 / 10}}));
  const double b = GENERATE(1.0, 0.9, 0.8, 0.5, 0.2);
  INFO("order " << order << ", beta " << b);
  CHECK(-real_axis_limit(read("hb", order, b)) == Approx(a * (2 - b) / b).epsilon(1e-8));
  CHECK(-real_axis_limit(read("nt", order, b)) == Approx(a * (2 - b) / (b * (3 - 2 * b))).epsilon(1e-8));
  const double ghvb = order == 1   ? 2 * (2 - b) / b  // the heavy ball itself
                      : order == 2 ? 2 - b
                      : order == 3 ? 6 * (2 - b) / (12 - b)
                                   : 3 * (2 - b) / (11 - b);
  CHECK(-real_axis_limit(read("ghvb", order, b)) == Approx(ghvb).epsilon(1e-8));
}

TEST_CASE("stability: growth at z = −0.4") {
  const auto [name, radius] = GENERATE(table<std::string, double>({{"ab4", 1.220},
                                                                   {"hb3.9", 1.064},
                                                                   {"hb3.8", .917},
                                                                   {"hb3.5", .671},
                                                                   {"ghvb3.8", 1.098},
                                                                   {"ghvb3.5", .945},
                                                                   {"ghvb3.2", .824},
                                                                   {"nt3.8", 1.164},
                                                                   {"nt3.5", .921}}));
  INFO(name);
  CHECK(spectral_radius(read(name), -0.4) == Approx(radius).margin(5.1e-4));
}

TEST_CASE("stability: at 120 degrees momentum on Euler's method shrinks the region") {
  const auto [name, expected] =
      GENERATE(table<std::string, double>({{"hb1", 1.00}, {"hb0.8", .77}, {"hb0.2", .15}}));
  INFO(name);
  const Complex towards = std::polar(1.0, 2 * std::numbers::pi / 3);
  CHECK(limit_along(read(name), towards, 0.9 * expected, 1.1 * expected) == Approx(expected).margin(5.1e-3));
}

TEST_CASE("stability: single steps grow by their polynomials") {
  const auto [name, order, tolerance] = GENERATE(table<std::string, int, double>({{"euler", 1, 1e-9},
                                                                                  {"heun", 2, 1e-9},
                                                                                  {"midpoint", 2, 1e-9},
                                                                                  {"ralston", 2, 1e-8},
                                                                                  {"dpm2", 2, 1e-6},
                                                                                  {"dpmpp2s", 2, 1e-6}}));
  INFO(name);
  const Amplification m = read(name);
  CHECK(m.powers.size() == static_cast<size_t>(order) + 1);
  for (const Complex z : kPlaces)
    CHECK(std::abs(factor(m, z) - (1.0 + z + (order == 2 ? z * z / 2.0 : 0))) < tolerance);
}

TEST_CASE("stability: two steps of Adams–Bashforth, by the roots of its own polynomial") {
  const Amplification m = read("ab2");
  for (const Complex z : kPlaces) {  // ζ² − (1 + 3z/2) ζ + z/2
    const Complex b = 1.0 + 1.5 * z, root = std::sqrt(b * b - 2.0 * z);
    CHECK(spectral_radius(m, z) ==
          Approx(std::max(std::abs(b + root), std::abs(b - root)) / 2).epsilon(1e-12));
  }
}

TEST_CASE("stability: on equal steps, far from 0, solvers are the classical ones of their order") {
  const auto [name, classical, tolerance] =
      GENERATE(table<std::string, std::string, double>({{"lms3", "ab3", 1e-9},
                                                        {"lms5", "ab5", 1e-9},
                                                        {"lms4_ghvb0.8", "ghvb3.8", 1e-9},
                                                        {"lms3_hb0.5", "hb2.5", 1e-9},
                                                        {"lms2_nt0.5", "nt1.5", 1e-9},
                                                        {"deis3", "ab3", 1e-6},
                                                        {"deis4_ghvb0.5", "ghvb3.5", 1e-6},
                                                        {"dpmpp1m", "euler", 1e-6},
                                                        {"dpmpp2m", "ab2", 1e-6},
                                                        {"dpmpp2m_heun", "ab2", 1e-6},
                                                        {"dpmpp2m_hb0.8", "hb1.8", 1e-6},
                                                        {"dpmpp2m_nt0.8", "nt1.8", 1e-6},
                                                        {"unip1", "euler", 1e-6},
                                                        {"unip3", "ab3", 1e-6},
                                                        // The corrector is worth an order.
                                                        {"unipc1", "ab2", 1e-6},
                                                        {"unipc1_bh1", "ab2", 1e-6},
                                                        {"unipc2", "ab3", 1e-6},
                                                        {"unipc3", "ab4", 1e-6}}));
  INFO(name << " and " << classical);
  const Amplification m = read(name), other = read(classical);
  CHECK(real_axis_limit(m) == Approx(real_axis_limit(other)).epsilon(2 * tolerance));
  for (const Complex z : kPlaces)
    CHECK(spectral_radius(m, z) == Approx(spectral_radius(other, z)).epsilon(tolerance));
}

TEST_CASE("stability: DPM-Solver++(3M) counts half of the second difference") {
  // u = d + ∇d/2 + ∇²d/3; at ζ = −1 the differences double: −2 = z (1 + 1 + 4/3).
  CHECK(real_axis_limit(read("dpmpp3m")) == Approx(-0.6).epsilon(1e-6));
}

TEST_CASE("stability: a run grows as the matrix says") {
  const std::string name = GENERATE("euler", "heun", "ab4", "lms3", "hb3.8", "ghvb3.8", "nt3.8", "dpmpp2m",
                                    "dpmpp2s", "unipc2", "unipc2_hb0.8");
  const double z = GENERATE(-0.4, -2.5);
  INFO(name << " at " << z);
  const Denoise linear = [&](const at::Tensor& x, double sigma) { return x + sigma * z * x; };
  // The norm over steps of a run: the largest of eight neighbours, for it may oscillate.
  const auto size = [&](int64_t steps) {
    std::vector<double> sigmas;
    for (int64_t i = 0; i <= steps; ++i) sigmas.push_back(1e6 - static_cast<double>(i));
    double largest = 0;
    for (int64_t i = 0; i < 8; ++i) {
      const at::Tensor end = integrate(parse_solver(name), linear, at::ones({1}, at::kDouble), sigmas);
      largest = std::max(largest, std::abs(end.item<double>()));
      sigmas.push_back(sigmas.back() - 1);
    }
    return largest;
  };
  CHECK(std::pow(size(140) / size(40), 0.01) == Approx(spectral_radius(read(name), z)).epsilon(0.01));
}

TEST_CASE("stability: the locus of single steps is where their polynomial has modulus 1") {
  const std::vector<Curve> euler = boundary_locus(read("euler"), 12);
  REQUIRE(euler.size() == 1);
  REQUIRE(euler[0].size() == 13);
  for (int j = 0; j <= 12; ++j)
    CHECK(std::abs(euler[0][j] - (std::polar(1.0, std::numbers::pi / 6 * j) - 1.0)) < 1e-9);
  const std::vector<Curve> heun = boundary_locus(read("heun"), 90);
  REQUIRE(heun.size() == 2);
  for (const Curve& curve : heun) {
    for (const Complex z : curve) CHECK(std::abs(1.0 + z + z * z / 2.0) == Approx(1).epsilon(1e-9));
    // The roots do not change curves underway.
    for (size_t i = 0; i + 1 < curve.size(); ++i) CHECK(std::abs(curve[i + 1] - curve[i]) < 0.2);
  }
}

TEST_CASE("stability: the locus bounds the region") {
  const std::string name = GENERATE("ab2", "ab3", "ab4", "ab5", "hb0.2", "hb3.5", "ghvb3.8", "nt3.2", "heun",
                                    "dpmpp2m", "unipc2", "unipc2_hb0.8");
  INFO(name);
  const Amplification m = read(name);
  double leftmost = 0;
  int64_t bounding = 0;
  for (const Curve& curve : boundary_locus(m, 180)) {
    for (const Complex z : curve) {
      const double radius = spectral_radius(m, z);
      CHECK(radius > 1 - 1e-6);  // an eigenvalue of modulus 1 there is
      if (!on_boundary(m, z)) continue;
      ++bounding;
      if (std::abs(z.imag()) < 1e-6) leftmost = std::min(leftmost, z.real());
    }
  }
  CHECK(bounding > 20);
  CHECK(leftmost == Approx(real_axis_limit(m)).epsilon(1e-6));
}

TEST_CASE("stability: the region's polygons hold what is stable and nothing else") {
  const std::string name =
      GENERATE("euler", "heun", "ab2", "ab3", "ab4", "hb3.5", "ghvb3.2", "nt3.2", "dpmpp3m", "unipc2_hb0.8");
  INFO(name);
  const Amplification m = read(name);
  const std::vector<Curve> region = stable_region(m, boundary_locus(m, 720), 100);
  const double size = -real_axis_limit(m);
  int64_t stable = 0;
  for (double x = -1.23; x < 0.5; x += 0.0913) {
    for (double y = -2; y < 2; y += 0.1237) {
      const Complex z{x * size, y * size};
      const double radius = spectral_radius(m, z);
      if (std::abs(radius - 1) < 0.03) continue;  // the edge is cut into rows
      INFO(z);
      CHECK(std::ranges::any_of(region, [&](const Curve& part) { return within(part, z); }) == (radius < 1));
      stable += radius < 1;
    }
  }
  CHECK(stable > 20);
}

TEST_CASE("stability: the base of a momentum solver is the same without it, of any other Euler's method") {
  const auto [name, base] = GENERATE(table<std::string, std::string>({{"ghvb3.8", "ab4"},
                                                                      {"hb0.5", "ab1"},
                                                                      {"nt2", "ab2"},
                                                                      {"lms3_ghvb0.5", "lms3"},
                                                                      {"dpmpp2m_hb0.8", "dpmpp2m"},
                                                                      {"unipc2_hb0.8", "unipc2"},
                                                                      {"unipc2", "euler"},
                                                                      {"ab4", "euler"},
                                                                      {"heun", "euler"},
                                                                      {"euler", "euler"}}));
  CHECK(solver_name(base_method(parse_solver(name))) == base);
}

TEST_CASE("stability: what has no region is refused by name and reason") {
  CHECK_THROWS_WITH(read("one_step"), Contains("'one_step'") && Contains("single step"));
  for (const std::string name : {"renoise", "euler_ancestral", "heun_sde", "dpmpp2m_sde", "dpmpp_sde"}) {
    CHECK_THROWS_AS(read(name), config::ConfigError);
    CHECK_THROWS_WITH(read(name), Contains("'" + name + "'") && Contains("noise"));
  }
  CHECK_THROWS_AS(amplification({Heun{}, Churn{.churn = 10}}), config::ConfigError);
  CHECK_THROWS_WITH(read("hb", 4, 1e-7), Contains("beta is below 1e-6"));
  CHECK_THROWS_AS(amplification(parse_solver("unipc2_hb", {.beta = 1e-300})), config::ConfigError);
  CHECK(real_axis_limit(read("hb", 4, 1e-5)) == Approx(-0.3 * (2 - 1e-5) / 1e-5).epsilon(1e-6));
}

TEST_CASE("stability: the picture names each solver and its limit once") {
  const std::string chart =
      stability_chart({parse_solver("ghvb3.8"), parse_solver("ghvb3.5"), parse_solver("ghvb3.8")});
  CHECK(xml_problem(chart) == "");
  CHECK(xml_problem(pages::standalone_svg(chart)) == "");
  CHECK_THAT(chart, !Contains("nan") && !Contains("inf"));
  for (const std::string text :
       {">ghvb3.8: on the real axis z ≥ -0.3529<", ">ghvb3.5: on the real axis z ≥ -0.4286<",
        ">ab4: on the real axis z ≥ -0.3<"}) {
    INFO(text);
    CHECK_THAT(chart, Contains(text));
    CHECK(chart.find(text) == chart.rfind(text));
  }
}
