// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/arange.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "distillation/terms/term.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

TEST_CASE("A term's weight sets in late and rises") {
  const TermWeight flat{.weight = 2, .start_kimg = 3};
  CHECK(weight_at(flat, 0) == 0);
  CHECK(weight_at(flat, 2999) == 0);
  CHECK(weight_at(flat, 3000) == 2);
  CHECK(weight_at(flat, 1'000'000) == 2);
  const TermWeight ramp{.weight = 2, .start_kimg = 3, .ramp_kimg = 8};
  CHECK(weight_at(ramp, 2999) == 0);
  CHECK(weight_at(ramp, 3000) == 0);
  CHECK(weight_at(ramp, 5000) == Approx(0.5));
  CHECK(weight_at(ramp, 11'000) == Approx(2));
  CHECK(weight_at(ramp, 50'000) == 2);
  CHECK(weight_at(TermWeight{}, 0) == 1);
  const auto read = [](const std::string& yaml) {
    return config_error([&] { config::read<AdversarialConfig>(config::parse(yaml, "test")); });
  };
  CHECK(read("{weight: 0.1, ramp_kimg: 5}").empty());
  CHECK_THAT(read("{weight: -0.1}"), Catch::Contains("weight"));
  CHECK_THAT(read("{ramp_kimg: -1}"), Catch::Contains("ramp_kimg"));
}

TEST_CASE("Measurements are A y of the reference, and noise of the given size") {
  const Student student = make_student(ParticlesConfig{.count = 500}, {}, pictures(500), kSeed, at::kCPU);
  const auto& particles = std::get<Particles>(student.form);
  const FidelityConfig config{.measurement = DownsampleOperator{.factor = 2}, .noise_std = 0.2};
  const at::Tensor b = measurements(config, particles, kSeed);
  CHECK(b.sizes() == at::IntArrayRef{500, 1, 2, 2});
  const at::Tensor clean = particles.reference.reshape({500, 1, 2, 2, 2, 2}).mean(at::IntArrayRef{3, 5});
  const at::Tensor noise = b - clean;
  CHECK(std::abs(noise.mean().item<double>()) < 4 * 0.2 / std::sqrt(2000.0));
  CHECK(std::abs(noise.std().item<double>() / 0.2 - 1) < 4 / std::sqrt(2 * 2000.0));
  CHECK(measurements(config, particles, kSeed).equal(b));
  CHECK_FALSE(measurements(config, particles, kSeed + 1).equal(b));
  CHECK_FALSE(b.requires_grad());

  // Those of the first particles do not depend on how many there are.
  const Student few = make_student(ParticlesConfig{.count = 3}, {}, pictures(500), kSeed, at::kCPU);
  CHECK(relative_error(measurements(config, std::get<Particles>(few.form), kSeed), b.slice(0, 0, 3)) < 1e-6);
}
