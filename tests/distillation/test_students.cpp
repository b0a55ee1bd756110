// SPDX-License-Identifier: Apache-2.0
// Students that are networks, of one and of several steps.
#include <functional>

#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/record_function.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "on_devices.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

const std::vector<double> kSigmas = {3.0, 0.9, 0.3};

Student stepped(const std::vector<double>& sigmas) {
  return make_student(MultiStepConfig{sigmas}, point_network(3), points(9), kSeed, at::kCPU);
}

const SteppedStudent& network_of(const Student& student) {
  return std::get<SteppedStudent>(student.form);
}

/// The input of every step of the chain, had each image taken all of them: x_1 = σ_1 z and
/// x_{k+1} = D(x_k; σ_k) + σ_{k+1} ε_k.
std::vector<at::Tensor> chain(const SteppedStudent& m, const Shard& shard) {
  const auto steps = static_cast<int64_t>(m.sigmas.size());
  const at::Tensor noise = draws(shard, Purpose::student_renoise, {steps - 1, 2, 1, 1});
  std::vector<at::Tensor> inputs{m.sigmas[0] * draws(shard, Purpose::student_latent, {2, 1, 1})};
  for (int64_t k = 1; k < steps; ++k) {
    const at::Tensor level = at::full({}, m.sigmas[k - 1]);
    inputs.push_back(
        (denoise(m.network, inputs.back(), level, shard.condition) + m.sigmas[k] * noise.select(1, k - 1))
            .detach());
  }
  return inputs;
}

at::Tensor last_of(const SteppedStudent& m, const Shard& shard, const at::Tensor& input, size_t k) {
  return denoise(m.network, input, at::full({}, m.sigmas[k]), shard.condition);
}

/// The step that each image must have stopped at: the one whose result it is. −1 where there is none.
std::vector<int64_t> stops(const SteppedStudent& m, const Shard& shard, const at::Tensor& y) {
  const std::vector<at::Tensor> inputs = chain(m, shard);
  std::vector<int64_t> found(y.size(0), -1);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const at::Tensor off = (y - last_of(m, shard, inputs[k], k)).abs().amax({1, 2, 3});
    for (int64_t i = 0; i < y.size(0); ++i) {
      if (off[i].item<double>() > 2e-5) continue;
      CHECK(found[i] == -1);  // the steps' results differ: there is no doubt
      found[i] = static_cast<int64_t>(k);
    }
  }
  return found;
}

}  // namespace

DEVICE_TEST_CASE("A one-step student is D(sigma_init z; sigma_init)", "[distillation]") {
  const Denoiser network = clone(point_network(3), device);
  const Student student = make_student(OneStepConfig{.sigma_init = 2.5}, network, points(9), kSeed, device);
  const Shard shard = shard_of(points(9), 40, 6, device);
  const at::Tensor z = draws(shard, Purpose::student_latent, {2, 1, 1});
  const at::Tensor expected = denoise(network, 2.5 * z, at::full({}, 2.5, z.options()), shard.condition);
  CHECK(relative_error(student_images(student, shard), expected) < 1e-6);
  CHECK(relative_error(first_step(network_of(student), z, shard.condition), expected) < 1e-6);
  CHECK(student_condition(student, shard).classes.equal(shard.real_condition.classes));
  // Training never sees a latent that a sampler starts from.
  CHECK(relative_error(latents_from_seeds(consecutive_seeds(40, 6), {2, 1, 1}), z) > 0.1);
  // It is a copy: training it leaves the teacher alone.
  const at::Tensor original =
      std::get<Mlp>(std::get<PreconditionedNetwork>(network.form).network).output.weight.clone();
  for (auto& [name, tensor] : named_tensors(student)) tensor.zero_();
  CHECK(std::get<Mlp>(std::get<PreconditionedNetwork>(network.form).network).output.weight.equal(original));
}

/// The rows that a network's linear layers are given while `work` runs.
int64_t rows_computed(const std::function<void()>& work) {
  static int64_t rows;
  rows = 0;
  const auto start = [](const at::RecordFunction& call) -> std::unique_ptr<at::ObserverContext> {
    if (std::string_view(call.name()) == "aten::linear") rows += call.inputs()[0].toTensor().size(0);
    return nullptr;
  };
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(start).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  const at::RecordFunctionGuard on(true);
  work();
  at::removeCallback(handle);
  return rows;
}

TEST_CASE("A multi-step student makes only the calls that its images need") {
  const Student student = stepped(kSigmas);
  const SteppedStudent& network = network_of(student);
  const Shard shard = shard_of(points(9), 0, 30);
  const std::vector<int64_t> stop = stops(network, shard, student_images(student, shard));
  const auto pass = [&](int64_t n) {
    return rows_computed([&] {
      denoise(network.network, shard.real.slice(0, 0, n), at::full({}, 1.0),
              Condition{shard.condition.classes.slice(0, 0, n)});
    });
  };
  const int64_t an_image = pass(30) - pass(29);
  REQUIRE(an_image > 0);
  int64_t calls = 0;
  for (const int64_t last : stop) calls += last + 1;
  CHECK(rows_computed([&] { student_images(student, shard); }) == calls * an_image);
}

TEST_CASE("Each image of a multi-step student stops at a step of its own, drawn evenly") {
  for (const size_t steps : {2, 3}) {
    const Student student = stepped({kSigmas.begin(), kSigmas.begin() + static_cast<int64_t>(steps)});
    constexpr int64_t kImages = 3000;
    const Shard shard = shard_of(points(9), 0, kImages);
    const std::vector<int64_t> stop = stops(network_of(student), shard, student_images(student, shard));
    const double share = 1.0 / static_cast<double>(steps);
    for (size_t k = 0; k < steps; ++k) {
      const auto count = static_cast<double>(std::count(stop.begin(), stop.end(), static_cast<int64_t>(k)));
      INFO(steps << " steps, stop " << k);
      CHECK(std::abs(count / kImages - share) < 4 * std::sqrt(share * (1 - share) / kImages));
    }
    CHECK(std::count(stop.begin(), stop.end(), -1) == 0);  // every image is at the end of its own chain
  }
}

TEST_CASE("Gradient reaches a multi-step student through the last step alone") {
  const Student student = trained(stepped(kSigmas));
  const Shard shard = shard_of(points(9), 100, 24);
  const at::Tensor slope = normal({2, 1, 1}, 24, 5);
  const at::Tensor y = student_images(student, shard);
  y.backward(slope);

  // By hand, each image with the last step that it had.
  const Student other = trained(stepped(kSigmas));
  const SteppedStudent& m = network_of(other);
  const std::vector<int64_t> stop = stops(m, shard, y.detach());
  const std::vector<at::Tensor> inputs = chain(m, shard);
  for (size_t k = 0; k < inputs.size(); ++k) {
    std::vector<double> mine;
    for (const int64_t s : stop) mine.push_back(s == static_cast<int64_t>(k));
    last_of(m, shard, inputs[k], k).backward(slope * over_images(at::tensor(mine)).to(at::kFloat));
  }
  CHECK(has_gradient(other));
  CHECK(relative_error(gradients(student), gradients(other)) < 1e-4);
}

TEST_CASE("A student's image depends on its number alone, not on how a batch is cut") {
  for (const Student& student :
       {stepped({2.5}), stepped(kSigmas),
        make_student(ParticlesConfig{.count = 4}, {}, points(9), kSeed, at::kCPU),
        make_student(GaussianStudentConfig{.mean = 1, .std = 2}, {}, points(9), kSeed, at::kCPU)}) {
    const at::Tensor whole = student_images(student, shard_of(points(9), 32, 12));
    std::vector<at::Tensor> parts;
    for (const int64_t first : {32, 37, 42}) {
      const Shard shard = shard_of(points(9), first, first == 42 ? 2 : 5);
      parts.push_back(student_images(student, shard));
    }
    CHECK(relative_error(at::cat(parts), whole) < 1e-5);
  }
}

TEST_CASE("A network student is sampled as it was trained") {
  const Student one = stepped({2.5}), three = stepped(kSigmas);
  CHECK(own_sampler(one).solver == "one_step");
  CHECK(sigmas_of(own_sampler(one)) == std::vector<double>{2.5, 0});
  CHECK(own_sampler(three).solver == "renoise");
  CHECK(sigmas_of(own_sampler(three)) == std::vector<double>{3.0, 0.9, 0.3, 0});
  for (const Student& student : {one, three}) {
    CHECK(own_sampler(student).problem().empty());
    const SampleRequest request{.seeds = {4, 5}, .classes = {0, 2}};
    const SampleResult drawn = generate(as_denoiser(student), own_sampler(student), request, 8);
    CHECK(drawn.nfe == static_cast<int64_t>(network_of(student).sigmas.size()));
    if (drawn.nfe > 1) continue;
    const at::Tensor z = latents_from_seeds(request.seeds, {2, 1, 1});
    const at::Tensor labels = at::tensor({1.f, 0.f, 0.f, 0.f, 0.f, 1.f}).reshape({2, 3});
    CHECK(relative_error(drawn.samples, first_step(network_of(student), z, {labels})) < 1e-6);
  }
  CHECK_FALSE(exact_density(one).has_value());
}

TEST_CASE("Students that cannot be made say so") {
  const auto refused = [](const GeneratorConfig& config) {
    return config_error([&] { make_student(config, {}, points(9), kSeed, at::kCPU); });
  };
  CHECK_THAT(refused(OneStepConfig{}), Catch::Contains("task.network") && Catch::Contains("could copy"));
  CHECK_THAT(refused(MultiStepConfig{kSigmas}), Catch::Contains("task.network"));
  CHECK_THAT(refused(ParticlesConfig{.count = 10}), Catch::Contains("generator.count") &&
                                                        Catch::Contains("10 particles") &&
                                                        Catch::Contains("9 images"));
  CHECK(refused(ParticlesConfig{.count = 9}).empty());
  CHECK_THAT(refused(ParticlesConfig{.count = 2, .target_class = 3}),
             Catch::Contains("target_class") && Catch::Contains("the data has 3"));
  CHECK(refused(ParticlesConfig{.count = 2, .target_class = 2}).empty());

  const auto read = [](const std::string& generator) {
    return config_error(
        [&] { config::read<StudentConfig>(config::parse("generator: " + generator, "test")); });
  };
  CHECK(read("{kind: multi_step, sigmas: [3, 1]}").empty());
  CHECK_THAT(read("{kind: multi_step, sigmas: [1, 3]}"), Catch::Contains("decrease"));
  CHECK_THAT(read("{kind: multi_step, sigmas: [3, 3]}"), Catch::Contains("decrease"));
  CHECK_THAT(read("{kind: multi_step}"), Catch::Contains("at least one"));
  CHECK_THAT(read("{kind: multi_step, sigmas: [3, 0]}"), Catch::Contains("sigmas"));
  CHECK_THAT(read("{kind: one_stop}"), Catch::Contains("did you mean 'one_step'"));
  CHECK_THAT(read("{kind: gaussian, std: 0}"), Catch::Contains("std"));
}
