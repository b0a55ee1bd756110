// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "distillation/score_figures.h"
#include "pages/chart_style.h"
#include "pages/xml.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

GaussianMixture gaussian(int64_t dimensions, double mean, double std) {
  return {at::ones({1}, at::kDouble), at::full({1, dimensions, 1, 1}, mean, at::kDouble),
          at::full({1, dimensions, 1, 1}, std, at::kDouble)};
}

/// Data about 1, a student about 0, in so many dimensions.
std::vector<Figure> pictures(int64_t dimensions, bool density, double spread = 0.5) {
  const GaussianMixture teacher = gaussian(dimensions, 1, spread), student = gaussian(dimensions, 0, 1);
  const auto denoised_by = [](const GaussianMixture& m) {
    return [m](const at::Tensor& x, const at::Tensor& sigma) { return denoise(m, x, sigma); };
  };
  return score_figures({.teacher = teacher,
                        .data = 1 + spread * normal({dimensions, 1, 1}, 200, 5),
                        .student = normal({dimensions, 1, 1}, 100, 6),
                        .density = density ? std::optional(student) : std::nullopt,
                        .teacher_denoised = denoised_by(teacher),
                        .fake_denoised = denoised_by(student),
                        .sigma = 0.5});
}

void check_svg(const Figure& figure) {
  INFO(figure.name);
  CHECK(xml_problem(figure.svg).empty());
  CHECK(xml_problem(pages::standalone_svg(figure.svg)).empty());
  CHECK_FALSE(figure.caption.empty());
  CHECK(figure.svg.find("nan") == std::string::npos);
  CHECK(figure.svg.find("no data") == std::string::npos);
}

}  // namespace

TEST_CASE("On a line: densities of data and student, and both scores") {
  for (const bool density : {true, false}) {
    const std::vector<Figure> figures = pictures(1, density);
    REQUIRE(figures.size() == 2);
    CHECK(figures[0].name == "densities");
    CHECK_THAT(figures[0].svg, Catch::Contains("data p</text>") && Catch::Contains("student q</text>"));
    CHECK(figures[1].name == "scores");
    CHECK_THAT(figures[1].svg, Catch::Contains("teacher</text>") && Catch::Contains("fake</text>") &&
                                   Catch::Contains("score at sigma 0.5"));
    for (const Figure& figure : figures) check_svg(figure);
  }
  CHECK(pictures(1, true)[0].svg != pictures(1, false)[0].svg);
}

TEST_CASE("In the plane: the two clouds over the field of arrows; beyond it nothing") {
  const std::vector<Figure> figures = pictures(2, false);
  REQUIRE(figures.size() == 1);
  CHECK(figures[0].name == "plane");
  CHECK_THAT(figures[0].svg, Catch::Contains("data</text>") && Catch::Contains("student</text>") &&
                                 Catch::Contains("score gap</text>"));
  check_svg(figures[0]);
  CHECK(pictures(3, false).empty());
}

TEST_CASE("Data that is one point can be drawn") {
  for (const int64_t dimensions : {1, 2}) {
    for (const Figure& figure : pictures(dimensions, false, /*spread=*/0))
      CHECK(xml_problem(figure.svg).empty());
  }
}

TEST_CASE("A kernel density is one") {
  const at::Tensor x = at::linspace(-12, 12, 2001, at::kDouble);
  const double spacing = 24.0 / 2000;
  const at::Tensor points = 0.5 + 1.5 * normal({1, 1, 1}, 1000, 3);
  const at::Tensor density = kernel_density(points, x);
  CHECK(density.sizes() == x.sizes());
  CHECK((density.sum() * spacing).item<double>() == Approx(1).epsilon(1e-6));
  CHECK((density * x).sum().item<double>() * spacing == Approx(points.mean().item<double>()).margin(1e-4));
  const at::Tensor truth = (-(x - 0.5).square() / (2 * 2.25)).exp() / (1.5 * std::sqrt(2 * M_PI));
  CHECK((density - truth).abs().sum().item<double>() * spacing < 0.1);
  // Points that are all the same, and a single one, are a narrow peak.
  for (const int64_t count : {1, 50}) {
    const at::Tensor fine = at::linspace(-0.1, 0.1, 4001, at::kDouble);
    const at::Tensor peak = kernel_density(at::zeros({count, 1, 1, 1}), fine);
    CHECK((peak.sum() * (0.2 / 4000)).item<double>() == Approx(1).epsilon(1e-6));
  }
}
