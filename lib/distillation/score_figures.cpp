// SPDX-License-Identifier: Apache-2.0
#include "distillation/score_figures.h"

#include <cmath>
#include <cstdio>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "pages/svg_field.h"

namespace onestep {
namespace {

std::vector<double> numbers(const at::Tensor& t) {
  const at::Tensor host = t.detach().to(at::kCPU, at::kDouble).flatten().contiguous();
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
}

at::Tensor as_points(const at::Tensor& rows) {
  return rows.reshape({rows.size(0), -1, 1, 1});
}

/// Coordinate k of points [N, D, 1, 1].
std::vector<double> coordinate(const at::Tensor& points, int64_t k) {
  return numbers(points.select(1, k));
}

std::string at_level(double sigma) {
  char text[32];
  std::snprintf(text, sizeof text, " at sigma %g", sigma);
  return text;
}

/// Where the data lies, and a third more on either side; a unit where all of it is one point.
std::pair<double, double> range_of(const at::Tensor& data) {
  const double low = data.min().item<double>(), high = data.max().item<double>();
  const double margin = high > low ? (high - low) / 3 : 1;
  return {low - margin, high + margin};
}

at::Tensor score(const at::Tensor& denoised, const at::Tensor& x, double sigma) {
  return (denoised - x) / (sigma * sigma);
}

std::vector<Figure> on_a_line(const ScoreFigureInputs& s) {
  const auto [low, high] = range_of(s.data);
  const at::TensorOptions wide = s.data.options().dtype(at::kDouble);
  const at::Tensor x = at::linspace(low, high, 401, wide), points = as_points(x);
  const at::Tensor none = at::zeros({401}, wide), level = at::full({401}, s.sigma, wide);
  const auto density = [&](const GaussianMixture& m) {
    return numbers(at::exp(log_density(m, points, none)));
  };
  const std::vector<double> axis = numbers(x);
  const auto curve = [&](const char* name, const std::vector<double>& y) {
    return pages::Series{name, axis, y};
  };
  const at::Tensor x32 = points.to(at::kFloat), level32 = level.to(at::kFloat);
  return {
      {"densities", "The data's density and the student's",
       pages::line_chart(
           {curve("data p", density(s.teacher)),
            curve("student q", s.density ? density(*s.density) : numbers(kernel_density(s.student, x)))},
           {.x_label = "y", .y_label = "density"})},
      {"scores", "The scores of teacher and student; the student is pushed along their difference",
       pages::line_chart({curve("teacher", numbers(score(s.teacher_denoised(x32, level32), x32, s.sigma))),
                          curve("fake", numbers(score(s.fake_denoised(x32, level32), x32, s.sigma)))},
                         {.x_label = "x", .y_label = "score" + at_level(s.sigma)})}};
}

std::vector<Figure> in_the_plane(const ScoreFigureInputs& s) {
  const auto [low, high] = range_of(s.data);
  const at::TensorOptions narrow = s.data.options().dtype(at::kFloat);
  const at::Tensor ticks = at::linspace(low, high, 19, narrow);
  const auto grid = at::meshgrid({ticks, ticks}, "ij");
  const at::Tensor x = as_points(at::stack({grid[0].flatten(), grid[1].flatten()}, 1));
  const at::Tensor level = at::full({x.size(0)}, s.sigma, narrow);
  const at::Tensor gap = (s.teacher_denoised(x, level) - s.fake_denoised(x, level)) / (s.sigma * s.sigma);
  const auto cloud = [](const char* name, const at::Tensor& points) {
    return pages::Series{name, coordinate(points, 0), coordinate(points, 1)};
  };
  return {{"plane", "Data, the student's points, and the gap of the scores" + at_level(s.sigma),
           pages::field_chart(
               {cloud("data", s.data), cloud("student", s.student)},
               {"score gap", coordinate(x, 0), coordinate(x, 1), coordinate(gap, 0), coordinate(gap, 1)},
               {.x_label = "y1", .y_label = "y2"}, pages::Window{low, high, low, high})}};
}

}  // namespace

at::Tensor kernel_density(const at::Tensor& points, const at::Tensor& x) {
  const at::Tensor flat = points.flatten().to(x.options());
  const auto count = static_cast<double>(flat.size(0));
  const double spread = count > 1 ? flat.std().item<double>() : 0;
  const double width = 1.06 * spread * std::pow(count, -0.2) + 1e-3;
  const at::Tensor distance = (x.unsqueeze(1) - flat) / width;
  return at::exp(-0.5 * distance.square()).mean(1) / (width * std::sqrt(2 * M_PI));
}

std::vector<Figure> score_figures(const ScoreFigureInputs& in) {
  const c10::NoGradGuard no_grad;
  const int64_t dimensions = in.data[0].numel();
  if (dimensions == 1) return on_a_line(in);
  if (dimensions == 2) return in_the_plane(in);
  return {};
}

}  // namespace onestep
