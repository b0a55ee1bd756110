// SPDX-License-Identifier: Apache-2.0
// Students whose own density is known: their denoiser is the posterior mean.
#include <cmath>

#include <ATen/ops/linspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "samplers/sample.h"
#include "temporary_folder.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

/// Coordinates with means and widths of their own, in float64.
Student gaussian() {
  Student student =
      clone(make_student(GaussianStudentConfig{}, {}, points(9), kSeed, at::kCPU), at::kCPU, at::kDouble);
  auto& m = std::get<GaussianStudent>(student.form);
  m.mean = at::tensor({0.4, -1.0}, at::kDouble).reshape({1, 2, 1, 1});
  m.log_std = at::tensor({std::log(0.3), std::log(1.2)}, at::kDouble).reshape({1, 2, 1, 1});
  return student;
}

Student cloud(at::ScalarType dtype = at::kDouble) {
  return clone(make_student(ParticlesConfig{.count = 5}, {}, points(9), kSeed, at::kCPU), at::kCPU, dtype);
}

/// E[y | x] of equally likely points, one number at a time.
at::Tensor posterior_mean(const at::Tensor& images, const at::Tensor& x, double sigma) {
  at::Tensor mean = at::zeros(x.sizes(), at::kDouble);
  for (int64_t i = 0; i < x.size(0); ++i) {
    double total = 0;
    for (int64_t k = 0; k < images.size(0); ++k) {
      double squares = 0;
      for (int64_t c = 0; c < 2; ++c) squares += std::pow((x[i][c] - images[k][c]).item<double>(), 2);
      const double weight = std::exp(-squares / (2 * sigma * sigma));
      total += weight;
      mean[i].add_(images[k], weight);
    }
    mean[i].div_(total);
  }
  return mean;
}

/// The largest |mean(e φ(x))| in standard errors: 0 within statistics for every φ when e has no mean given x.
double largest_moment(const at::Tensor& e, const at::Tensor& x) {
  double largest = 0;
  for (const at::Tensor& phi : {at::ones_like(x), x, x.sin(), (x - 0.4).tanh(), x.square()}) {
    const at::Tensor value = (e * phi).flatten(1);
    const at::Tensor error = value.std(0) / std::sqrt(static_cast<double>(value.size(0)));
    largest = std::max(largest, (value.mean(0) / error).abs().max().item<double>());
  }
  return largest;
}

}  // namespace

TEST_CASE("A Gaussian student's denoiser is the linear one") {
  const Student student = gaussian();
  const auto& m = std::get<GaussianStudent>(student.form);
  const at::Tensor x = at::linspace(-3, 4, 10, at::kDouble).reshape({5, 2, 1, 1});
  for (const double sigma : {0.01, 0.5, 20.0}) {
    const at::Tensor variance = (2 * m.log_std).exp();
    const at::Tensor expected = (variance * x + sigma * sigma * m.mean) / (variance + sigma * sigma);
    const at::Tensor level = at::full({5}, sigma, at::kDouble);
    CHECK(relative_error(denoise(*exact_density(student), x, level), expected) < 1e-13);
    CHECK(relative_error(denoise(as_denoiser(student), x, level, Condition()), expected) < 1e-13);
  }
  CHECK_FALSE(exact_density(trained(student))->means.requires_grad());
}

TEST_CASE("A cloud of particles denoises to the mean of those that may lie behind x") {
  const Student student = cloud();
  const at::Tensor images = std::get<Particles>(student.form).images;
  const at::Tensor x = normal({2, 1, 1}, 6, 3).to(at::kDouble);
  for (const double sigma : {0.3, 1.0, 5.0}) {
    const at::Tensor level = at::full({6}, sigma, at::kDouble);
    CHECK(relative_error(denoise(*exact_density(student), x, level), posterior_mean(images, x, sigma)) <
          1e-12);
  }
  // At a tiny noise level it is the nearest one, in float32 too.
  const at::Tensor near = images.to(at::kFloat) + 0.002 * normal({2, 1, 1}, 5, 4);
  const at::Tensor sure = denoise(*exact_density(cloud(at::kFloat)), near, at::full({5}, 0.002f));
  CHECK(relative_error(sure, images) < 1e-6);
  CHECK_FALSE(exact_density(trained(student))->means.requires_grad());
}

TEST_CASE("D_q - y has no mean given x") {
  constexpr int64_t kImages = 40'000;
  for (const Student& student : {gaussian(), cloud()}) {
    const Shard shard = shard_of(points(9), 0, kImages);
    const at::Tensor y = student_images(student, shard).to(at::kDouble);
    for (const double sigma : {0.4, 1.5}) {
      const at::Tensor level = at::full({kImages}, sigma, at::kDouble);
      const at::Tensor x = noised(y, level, normal({2, 1, 1}, kImages, 9));
      const at::Tensor denoised = denoise(*exact_density(student), x, level);
      CHECK(largest_moment(denoised - y, x) < 4.5);
      CHECK(largest_moment(x - y, x) > 10);  // the moments can tell
    }
  }
}

TEST_CASE("A student of known density is a model file that samples itself") {
  const TemporaryFolder folder;
  for (const Student& student : {gaussian(), cloud()}) {
    CHECK(own_sampler(student).solver == "heun");
    CHECK(own_sampler(student).problem().empty());
    save_denoiser(folder / "model.safetensors", as_denoiser(student));
    const Denoiser again = load_denoiser(folder / "model.safetensors", at::kCPU, at::kDouble);
    const at::Tensor x = normal({2, 1, 1}, 4, 2).to(at::kDouble), level = at::full({4}, 0.6, at::kDouble);
    CHECK(relative_error(denoise(again, x, level, Condition()),
                         denoise(as_denoiser(student), x, level, Condition())) < 1e-12);
  }
  // The path of noise leads to the particles themselves.
  const Student student = cloud();
  const at::Tensor images = std::get<Particles>(student.form).images;
  const at::Tensor samples =
      generate(as_denoiser(student), own_sampler(student), {.seeds = {1, 2, 3, 4, 5, 6, 7, 8}}, 8).samples;
  const at::Tensor distance = (samples.unsqueeze(1) - images).square().flatten(2).sum(2).sqrt().amin(1);
  CHECK(distance.max().item<double>() < 1e-3);
}
