// SPDX-License-Identifier: Apache-2.0
// Students whose parameters are the images themselves, or their Gaussian.
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

Student particles(const ParticlesConfig& config, const Dataset& data = points(9)) {
  return make_student(config, {}, data, kSeed, at::kCPU);
}

const Particles& form_of(const Student& student) {
  return std::get<Particles>(student.form);
}

}  // namespace

TEST_CASE("Image nimg is particle nimg mod M, and so is its class") {
  const Student student = particles({.count = 5});
  const Shard shard = shard_of(points(9), 13, 8);  // 13 … 20
  const at::Tensor y = student_images(student, shard), labels = student_condition(student, shard).classes;
  for (int64_t i = 0; i < 8; ++i) {
    const int64_t k = (13 + i) % 5;
    CHECK(y[i].equal(form_of(student).images[k]));
    CHECK(labels[i].equal(form_of(student).labels[k]));
    CHECK(labels[i].argmax().item<int64_t>() == k % 3);  // the data's images have classes 0, 1, 2, 0, …
  }
}

TEST_CASE("A batch meets each particle once at most, in order") {
  const Student student = particles({.count = 5});
  CHECK(student_rows(student) == 5);
  CHECK(rows_met(student, 4, 3) == std::vector<int64_t>{0, 1, 4});
  CHECK(rows_met(student, 7, 20) == std::vector<int64_t>{0, 1, 2, 3, 4});
  const Student network = make_student(OneStepConfig{}, point_network(3), points(9), kSeed, at::kCPU);
  CHECK(student_rows(network) == 1);
  CHECK(rows_met(network, 4, 3) == std::vector<int64_t>{0});
}

TEST_CASE("Particles of data without classes have none, and none can be asked for") {
  Dataset data = points(9);
  data.class_names.clear();
  data.labels.zero_();
  const Student student = particles({.count = 5}, data);
  CHECK(student_condition(student, shard_of(data, 0, 8)).classes.sizes() == at::IntArrayRef({8, 0}));
  CHECK_THROWS_WITH(particles({.count = 5, .target_class = 0}, data), Catch::Contains("the data has 0"));
}

TEST_CASE("Gradients of a particle that a batch meets more than once add up") {
  const Student student = trained(particles({.count = 3}));
  const Shard shard = shard_of(points(9), 4, 7);  // particles 1 2 0 1 2 0 1
  const at::Tensor slope = normal({2, 1, 1}, 7, 3);
  student_images(student, shard).backward(slope);
  at::Tensor expected = at::zeros({3, 2, 1, 1});
  for (int64_t i = 0; i < 7; ++i) expected[(4 + i) % 3].add_(slope[i]);
  CHECK(relative_error(form_of(student).images.grad(), expected) < 1e-6);
}

TEST_CASE("Particles start from the data or from noise, and become what they are told") {
  const Dataset data = pictures(9);
  const Student edited = particles({.count = 4, .start = "data", .target_class = 2}, data);
  const Particles& m = form_of(edited);
  CHECK(relative_error(m.images, data.images.slice(0, 0, 4).to(at::kFloat) / 127.5 - 1) < 1e-6);
  CHECK(m.reference.equal(m.images));
  CHECK_FALSE(m.reference.is_same(m.images));
  CHECK(m.labels.argmax(1).eq(2).all().item<bool>());
  CHECK(m.reference_labels.argmax(1).equal(data.labels.slice(0, 0, 4)));
  CHECK(parameter_count(edited) == m.images.numel());  // the rest is no parameter

  // Moving them moves neither the reference nor the data.
  m.images.detach().add_(1);
  CHECK(relative_error(m.reference, m.images - 1) < 1e-6);
  const Dataset floats = points(9);
  const at::Tensor before = floats.images.clone();
  form_of(particles({.count = 4, .start = "data"}, floats)).images.detach().zero_();
  CHECK(floats.images.equal(before));

  const Dataset many = points(4000);
  const at::Tensor noise = form_of(particles({.count = 4000, .noise_std = 0.3}, many)).images;
  CHECK(std::abs(noise.mean().item<double>()) < 4 * 0.3 / std::sqrt(8000.0));
  CHECK(std::abs(noise.std().item<double>() / 0.3 - 1) < 4 / std::sqrt(2 * 8000.0));
  CHECK(form_of(particles({.count = 3, .noise_std = 0}, many)).images.eq(0).all().item<bool>());
  CHECK(form_of(particles({.count = 3, .noise_std = 0.3}, many)).images.equal(noise.slice(0, 0, 3)));
}

TEST_CASE("The Gaussian student is mu + s z, with gradient to both") {
  const Student student =
      trained(make_student(GaussianStudentConfig{.mean = 0.7, .std = 0.2}, {}, points(9), kSeed, at::kCPU));
  const Shard shard = shard_of(points(9), 5, 50);
  const at::Tensor z = draws(shard, Purpose::student_latent, {2, 1, 1});
  const at::Tensor y = student_images(student, shard), slope = normal({2, 1, 1}, 50, 3);
  CHECK(relative_error(y, 0.7 + 0.2 * z) < 1e-6);
  y.backward(slope);
  const auto& m = std::get<GaussianStudent>(student.form);
  CHECK(m.mean.sizes() == at::IntArrayRef{1, 2, 1, 1});
  CHECK(relative_error(m.mean.grad(), slope.sum(0, true)) < 1e-5);
  CHECK(relative_error(m.log_std.grad(), (slope * 0.2 * z).sum(0, true)) < 1e-5);
}
