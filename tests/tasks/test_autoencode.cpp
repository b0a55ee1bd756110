// SPDX-License-Identifier: Apache-2.0
// Autoencoders as runs, and what is trained in their latents.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/jsonl.h"
#include "networks/model_codec.h"
#include "samplers/pictures.h"
#include "tasks/run_codec.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;
using Catch::Contains;

namespace {

const std::string kTiny =
    "task: {kind: autoencode, network: {kind: tiny, in_channels: 1, out_channels: 1, latent_channels: 2, "
    "channels: 8, num_encoder_blocks: [1, 1], num_decoder_blocks: [1, 1]}, optimizer: {learning_rate: {peak: "
    "5.0e-3}}, ema: {half_life_kimg: 0.1}}";

std::vector<double> logged(const std::filesystem::path& run, const std::string& name) {
  std::vector<double> values;
  for (const auto& line : io::read_jsonl(RunFolder{run}.log()))
    if (line.contains(name)) values.push_back(line[name]);
  return values;
}

/// Second moments of a set's latents about 0, drawn, and their mean.
std::pair<double, double> moments_of(const Codec& codec, const Dataset& data) {
  const auto [mean, std] = encode_moments(codec, to_float(data.images).to(at::kDouble));
  double square = mean.square().mean().item<double>();
  if (std.defined()) square += std.square().mean().item<double>();
  return {mean.mean().item<double>(), square};
}

}  // namespace

TEST_CASE("autoencode: pictures come back, and latents have unit variance at the end") {
  const TemporaryFolder folder;
  for (const auto& [name, task] : {std::pair{"kl", kAutoencoder}, std::pair{"tiny", kTiny}}) {
    INFO(name);
    const auto dir = folder / name;
    run(dir, task, "images: 6000, batch: 16, tick_images: 1000");
    const std::vector<double> squared = logged(dir, "squared");
    CHECK(squared.back() < 0.15 * squared.front());
    CHECK(logged(dir, "kl").empty() == (std::string(name) == "tiny"));
    const Codec codec = load_codec(RunFolder{dir}.model(), at::kCPU);
    const auto [mean, square] = moments_of(codec, halves());
    CHECK(mean == Approx(0).margin(1e-5));
    CHECK(square == Approx(1).epsilon(1e-5));
    const at::Tensor pictures = to_float(halves().images);
    const at::Tensor back = reconstructions_of(codec, pictures);
    CHECK((back - pictures).square().mean().item<double>() < 0.15 * pictures.var().item<double>());
  }
}

TEST_CASE("autoencode: a scaling of one's own stays, and changes no weight") {
  const TemporaryFolder folder;
  const std::string own =
      with(with(kAutoencoder, "kind: autoencode", "kind: autoencode, unit_variance: false"),
           "norm_num_groups: 4", "norm_num_groups: 4, scaling_factor: 0.25, shift_factor: 2");
  const Finished measured = run(folder / "measured", kAutoencoder, kBudget);
  const Finished fixed = run(folder / "fixed", own, kBudget);
  for (const auto& [name, tensor] : measured.model.tensors) CHECK(tensor.equal(fixed.model.at(name)));
  CHECK(latent_scaling(codec_of(fixed.model, at::kCPU)) == LatentScaling{0.25, 2});
}

TEST_CASE("autoencode: the loss is made of the logged parts, the KL by the number of pixels") {
  const TemporaryFolder folder;
  const auto dir = folder / "run";
  run(dir,
      with(kAutoencoder, "kind: autoencode", "kind: autoencode, squared: 2, absolute: 0.5, kl_weight: 0.125"),
      "images: 16, batch: 16, tick_images: 16");
  const auto part = [&](const std::string& name) { return logged(dir, name).front(); };
  CHECK(part("loss") ==
        Approx(2 * part("squared") + 0.5 * part("absolute") + 0.125 * part("kl") / 64).epsilon(1e-6));
}

namespace {

/// One step with such a discriminator: weights of the autoencoder, and of the discriminator after them.
std::pair<at::Tensor, at::Tensor> after_a_step(const std::filesystem::path& dir,
                                               const std::string& adversarial) {
  const Finished done = run(dir, with(kAutoencoder, "kind: autoencode", "kind: autoencode" + adversarial),
                            "images: 16, batch: 16");
  Codec codec = codec_of(done.model, at::kCPU);
  const int64_t own = flatten(codec).values.numel();
  const auto& [name, all] = done.state.front();
  CHECK(name == "network.parameters");
  return {all.slice(0, 0, own), all.slice(0, own)};
}

}  // namespace

TEST_CASE(
    "autoencode: the adversarial term meets the autoencoder, the discriminator's loss the discriminator") {
  const TemporaryFolder folder;
  const auto adversarial = [](const std::string& weight, const std::string& more = "") {
    return ", adversarial: {channels: 16, weight: " + weight + more + "}";
  };
  const auto [alone, nothing] = after_a_step(folder / "alone", "");
  const auto [hardly, judge] = after_a_step(folder / "hardly", adversarial("1.0e-20"));
  const auto [much, same] = after_a_step(folder / "much", adversarial("1"));
  const auto [later, unmoved] = after_a_step(folder / "later", adversarial("1", ", start_kimg: 1"));
  CHECK(hardly.equal(alone));      // the discriminator's loss is no affair of the autoencoder's
  CHECK_FALSE(much.equal(alone));  // the adversarial term is
  CHECK(later.equal(alone));
  CHECK(same.equal(judge));  // and does not move the discriminator, which learns
  CHECK_FALSE(judge.equal(unmoved));
}

TEST_CASE("autoencode: adversarial parts in the log") {
  const TemporaryFolder folder;
  const std::string task =
      with(kAutoencoder, "kind: autoencode",
           "kind: autoencode, adversarial: {weight: 0.25, channels: 16, loss: logistic}");
  run(folder / "run", task, "images: 4000, batch: 16, tick_images: 1000");
  run(folder / "first", task, "images: 16, batch: 16, tick_images: 16");
  const auto part = [&](const std::string& name) { return logged(folder / "first", name).front(); };
  CHECK(part("loss") ==
        Approx(part("squared") + 0.3 * part("absolute") + 0.02 * part("kl") / 64 + 0.25 * part("adv"))
            .epsilon(1e-6));
  CHECK(part("disc") > 0.5);  // 2 ln 2 where it can't tell
  const std::vector<double> squared = logged(folder / "run", "squared");
  CHECK(squared.back() < 0.3 * squared.front());
}

TEST_CASE("autoencode: what can't be trained is told before it begins") {
  const TemporaryFolder folder;
  const auto refuses = [&](const std::string& old, const std::string& now, const std::string& why) {
    INFO(now);
    CHECK_THROWS_WITH(run(folder / "refused", with(kAutoencoder, old, now), kBudget), Contains(why));
  };
  refuses("out_channels: 1", "out_channels: 3", "out_channels is 3");
  refuses("in_channels: 1", "in_channels: 3", "task.network");
  refuses("[8, 8]", "[8, 8, 8, 8, 8]", "task.network");
  refuses("norm_num_groups: 4", "norm_num_groups: 3", "norm_num_groups");
  refuses("kind: autoencode", "kind: autoencode, adversarial: {channels: 24}", "multiple of 16");
  refuses("kind: autoencode", "kind: autoencode, adversarial: {loss: wasserstein}", "hinge");
  refuses("kind: autoencode", "kind: autoencode, squared: 0, absolute: 0", "nothing would be learnt");
}

TEST_CASE("codec_of_run: the data's autoencoder, the teacher's, and never two") {
  const TemporaryFolder folder;
  run(folder / "one", kAutoencoder, "images: 16, batch: 16");
  run(folder / "two", kAutoencoder, "images: 32, batch: 16");
  const auto model = [&](const std::string& name) { return RunFolder{folder / name}.model().string(); };
  const auto teacher = folder / "teacher.safetensors";
  const Codec one = load_codec(model("one"), at::kCPU);
  io::write_safetensors(teacher, {{"weight", at::zeros({1})}}, metadata_of(one));
  save_codec(folder / kAutoencoderFile, one);

  TrainConfig config;
  CHECK(content_sha256(codec_of_run(config, at::kCPU)).empty());
  config.data = EncodedConfig{.autoencoder = model("two")};
  CHECK(content_sha256(codec_of_run(config, at::kCPU)) == content_sha256(load_codec(model("two"), at::kCPU)));
  config.task = DistilConfig{.teacher = teacher.string()};
  CHECK_THROWS_WITH(codec_of_run(config, at::kCPU), Contains("data.autoencoder") && Contains("teacher"));
  config.data = EncodedConfig{.autoencoder = model("one")};
  CHECK(content_sha256(codec_of_run(config, at::kCPU)) == content_sha256(one));
  config.data = LatentsConfig{.files = {"a"}};
  CHECK(content_sha256(codec_of_run(config, at::kCPU)) == content_sha256(one));
  config.data = FashionMnistConfig{};
  CHECK_THROWS_WITH(codec_of_run(config, at::kCPU), Contains("makes latents") && Contains("kind encoded"));
}

TEST_CASE("A configuration of latents: what it can't say") {
  const auto problem = [](const std::string& yaml) {
    return config::read<TrainConfig>(config::parse(yaml, "test"));
  };
  const std::string encoded = "data: {kind: encoded, autoencoder: a, of: {kind: fashion_mnist}}";
  CHECK_THROWS_WITH(problem("run: {dir: x, flip: true}\n" + encoded + "\n" + kTeacher),
                    Contains("data.mirrored"));
  CHECK_THROWS_WITH(
      problem("run: {dir: x}\ndata: {kind: encoded, autoencoder: a, of: {kind: latents}}\n" + kTeacher),
      Contains("data.of"));
  const std::string scored = "\nevaluation: {every_images: 100, features: {kind: pixels}}";
  CHECK_THROWS_WITH(problem("run: {dir: x}\ndata: {kind: latents, files: [a]}\n" + kTeacher + scored),
                    Contains("nothing decodes") || Contains("features"));
}
