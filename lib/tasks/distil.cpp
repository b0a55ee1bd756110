// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "divergences/ratio_bins.h"
#include "divergences/ratio_diagnostics.h"
#include "kernels/philox.h"
#include "losses/adversarial.h"
#include "losses/denoising.h"
#include "networks/cost.h"
#include "networks/head.h"
#include "tasks/trainee.h"

namespace onestep {
namespace {

at::Tensor noised(const at::Tensor& y, const at::Tensor& sigma, const at::Tensor& noise) {
  return y + sigma.reshape({-1, 1, 1, 1}) * noise;
}

/// A micro-batch on its way through a step; names as in the paper.
struct Part {
  Batch real;
  at::Tensor labels;                 ///< one-hot, or undefined
  at::Tensor y;                      ///< G(z); with its graph where the student's turn keeps it
  at::Tensor sigma, x;               ///< the level of comparison, and y noised to it
  at::Tensor teacher, fake;          ///< D_p(x; σ), D_q(x; σ)
  std::vector<at::Tensor> features;  ///< what the discriminator sees of x
  at::Tensor h;                      ///< h(r), [n]
  at::Tensor adversarial;            ///< ∂ softplus(−ℓ)/∂x
};

/// The heads with their optimiser and the running calibration of the ratio.
struct Critic {
  DiscriminatorConfig config;
  Trainee<Discriminator> heads;
  RatioBins bins;
};

struct DistilTask {
  DistilConfig config;
  RunConfig run;
  at::Device device;
  std::map<std::string, std::string> provenance;
  Denoiser teacher;
  Trainee<Denoiser> student;
  Average<Denoiser> average;
  Trainee<Denoiser> fake;
  std::optional<Critic> critic;

  /// One update of the fake-score network and the discriminator on a batch of the student's images, and, in
  /// its turn, of the student before them.
  StepStats step(const Batch& batch) {
    const int64_t nimg = batch.indices[0].item<int64_t>();
    const int64_t size = batch.images.size(0);
    const bool students_turn = nimg / run.batch % config.fake.updates_per_student == 0;
    StepStats stats;
    std::vector<Part> parts;
    for (const Batch& real : split(batch, run.micro_batch)) parts.push_back(begin(real));
    // A graph is kept from here to the student's update only where it is the whole batch's.
    const bool keep_graph = students_turn && parts.size() == 1;
    for (Part& part : parts) generate_images(part, keep_graph);

    if (students_turn) update_student(parts, nimg, size, stats);
    for (Part& part : parts) part.y = part.y.detach();
    update_fake(parts, nimg, size, stats);
    if (critic) update_critic(parts, nimg, size, stats);
    return stats;
  }

  Part begin(const Batch& real) {
    Part part{.real = real};
    part.real.images = real.images.to(device);
    part.labels = labels_for(teacher, real.labels.to(device));
    return part;
  }

  /// y = G(z), and x = y + σ ε at the level of comparison.
  void generate_images(Part& part, bool with_graph) {
    const at::AutoGradMode mode(with_graph);
    part.y = generator(part);
    const c10::NoGradGuard no_grad;
    const at::Tensor& indices = part.real.indices;
    part.sigma = draw_sigma(config.student.sigma, run.seed, Purpose::student_sigma, indices, device);
    part.x = noised(part.y.detach(), part.sigma, unit_noise(Purpose::student_noise, part));
  }

  at::Tensor generator(const Part& part) {
    const double sigma = config.student.sigma_init;
    const at::Tensor z = unit_noise(Purpose::student_latent, part);
    return denoise(student.module, z * sigma, at::full({}, sigma, z.options()), part.labels);
  }

  at::Tensor unit_noise(Purpose purpose, const Part& part) {
    return kernels::philox_normal(run.seed, word(purpose), part.real.indices,
                                  part.real.images.sizes().slice(1), device);
  }

  /// The integral branch: where should each image move, and then the student with it.
  void update_student(std::vector<Part>& parts, int64_t nimg, int64_t size, StepStats& stats) {
    for (Part& part : parts) compare(part, stats);
    std::vector<at::Tensor> weights;
    for (const Part& part : parts) weights.push_back(part.h);
    const at::Tensor mean_weight = at::cat(weights).mean();

    for (const Part& part : parts) {
      const at::Tensor h =
          config.student.loss.normalise_weight ? normalise_by_mean(part.h, mean_weight) : part.h;
      const kernels::ScoreDifference moved =
          score_difference(config.student.loss, part.y.detach(), part.teacher, part.fake, part.sigma, h);
      at::Tensor gradient = moved.gradient;
      if (part.adversarial.defined())
        gradient = gradient + critic->config.adversarial_weight * part.adversarial;
      const at::Tensor y = part.y.requires_grad() ? part.y : generator(part);
      y.backward(gradient / static_cast<double>(size));
      stats.add("loss", moved.loss.mean() / static_cast<double>(part.x[0].numel()));
    }
    stats.add("student/grad_norm", update(student, nimg, size, run.images));
    ema_step(config.student.ema, average.values, student.flat.values, nimg + size, size);
  }

  /// D_p, D_q and h(r) at x; features for the discriminator; the adversarial term's gradient.
  void compare(Part& part, StepStats& stats) {
    if (!critic) {
      const c10::NoGradGuard no_grad;
      part.teacher = denoise(teacher, part.x, part.sigma, part.labels);
      part.fake = denoise(fake.module, part.x, part.sigma, part.labels);
      part.h = at::ones_like(part.sigma);
      return;
    }
    const double adversarial_weight = critic->config.adversarial_weight;
    const at::Tensor x = part.x.detach().set_requires_grad(adversarial_weight > 0);
    Perceived seen = look(x, part);
    const at::Tensor logits = forward(critic->heads.module, seen.features);
    if (adversarial_weight > 0) {
      const at::Tensor loss = generator_loss(logits);
      loss.sum().backward({}, /*retain_graph=*/false, /*create_graph=*/false, std::vector<at::Tensor>{x});
      part.adversarial = x.grad();
      stats.add("adv", loss.mean());
    }
    const c10::NoGradGuard no_grad;
    for (const at::Tensor& feature : seen.features) part.features.push_back(feature.detach());
    const bool through_teacher = critic->config.features == "teacher";
    const at::Tensor other = denoise(through_teacher ? fake.module : teacher, x, part.sigma, part.labels);
    part.teacher = through_teacher ? seen.denoised.detach() : other;
    part.fake = through_teacher ? other : seen.denoised.detach();
    weigh(part, logits.detach(), stats);
  }

  /// h(r) from the logits, and the calibration of r.
  void weigh(Part& part, const at::Tensor& logits, StepStats& stats) {
    const RatioConfig& ratio = critic->config.ratio;
    const at::Tensor measured = density_ratio(logits, ratio);
    const at::Tensor r = normalise_ratio(measured, part.sigma, critic->bins, ratio);
    part.h = divergence_weight(config.divergence, r);
    const RatioDiagnostics diagnostics = ratio_diagnostics(ratio_sums(logits, part.sigma, part.h, ratio));
    stats.add("ratio/mean", measured.mean());
    stats.add("ratio/effective_sample_size", diagnostics.effective_sample_size);
    stats.add("ratio/clip_rate", diagnostics.clip_rate);
  }

  /// The network that the discriminator looks through, at images x of a part.
  Perceived look(const at::Tensor& x, const Part& part, bool decoded = true) {
    const Denoiser& eye = critic->config.features == "teacher" ? teacher : fake.module;
    return perceive(eye, x, part.sigma, part.labels, critic->config.resolutions, decoded);
  }

  /// Denoising loss of D_q on the student's images, at noise levels of its own.
  void update_fake(const std::vector<Part>& parts, int64_t nimg, int64_t size, StepStats& stats) {
    const double sigma_data = teacher.config.preconditioning.sigma_data;
    for (const Part& part : parts) {
      const at::Tensor sigma =
          draw_sigma(config.fake.sigma, run.seed, Purpose::sigma, part.real.indices, device);
      const at::Tensor x = noised(part.y, sigma, unit_noise(Purpose::noise, part));
      const at::Tensor losses = denoising_loss(denoise(fake.module, x, sigma, part.labels), part.y,
                                               loss_weight(config.fake.weighting, sigma, sigma_data)) /
                                static_cast<double>(x[0].numel());
      (losses.sum() / static_cast<double>(size)).backward();
      stats.add("fake", losses.mean());
    }
    stats.add("fake/grad_norm", update(fake, nimg, size, run.images));
  }

  /// Logistic loss of the heads, on real and student images noised to the same levels.
  void update_critic(const std::vector<Part>& parts, int64_t nimg, int64_t size, StepStats& stats) {
    BinSums sums;
    for (const Part& part : parts) {
      const at::Tensor real = noised(part.real.images, part.sigma, unit_noise(Purpose::real_noise, part));
      const at::Tensor real_logits = forward(critic->heads.module, features_of(real, part));
      const at::Tensor student_logits =
          forward(critic->heads.module, part.features.empty() ? features_of(part.x, part) : part.features);
      const at::Tensor losses = discriminator_loss(real_logits, student_logits);
      (losses.sum() / static_cast<double>(size)).backward();
      const BinSums part_sums =
          bin_sums(density_ratio(student_logits, critic->config.ratio), part.sigma, critic->config.ratio);
      sums = sums.count.defined() ? (sums += part_sums) : part_sums;
      stats.add("disc", losses.mean());
      stats.add("disc/real_logit", real_logits.mean());
      stats.add("disc/student_logit", student_logits.mean());
    }
    update(critic->heads, nimg, size, run.images);
    const RatioBins next = updated(critic->bins, sums, critic->config.ratio);
    critic->bins.mean.copy_(next.mean);  // in place: a checkpoint shares these tensors
    critic->bins.pending_ratio.copy_(next.pending_ratio);
    critic->bins.pending_count.copy_(next.pending_count);
  }

  std::vector<at::Tensor> features_of(const at::Tensor& x, const Part& part) {
    const c10::NoGradGuard no_grad;
    return look(x, part, /*decoded=*/false).features;
  }

  SamplerConfig sampler() const { return {.solver = "one_step", .sigma_max = config.student.sigma_init}; }

  void save(const std::filesystem::path& path) {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(sampler()).dump();
    save_denoiser(path, average.module, metadata);
  }
};

std::vector<int64_t> all_resolutions(const SongUNetConfig& network) {
  std::vector<int64_t> resolutions;
  for (size_t level = 0; level < network.channel_mult.size(); ++level) {
    resolutions.push_back(network.img_resolution >> level);
  }
  return resolutions;
}

/// Throws config::ConfigError when the teacher's encoder lacks a resolution.
Critic make_critic(DiscriminatorConfig config, const Denoiser& teacher, const TaskContext& context) {
  const auto& network = std::get<SongUNet>(teacher.network).config;
  const std::vector<int64_t> known = all_resolutions(network);
  if (config.resolutions.empty()) config.resolutions = known;
  std::vector<int64_t> channels;
  for (const int64_t resolution : config.resolutions) {
    if (std::find(known.begin(), known.end(), resolution) == known.end()) {
      throw config::ConfigError("task.discriminator.resolutions: the teacher's encoder has no resolution " +
                                std::to_string(resolution));
    }
    channels.push_back(feature_channels(network, resolution));
  }
  const Discriminator heads = make_discriminator(config.resolutions, channels, context.run.seed);
  return {.config = config,
          .heads = make_trainee(clone(heads, context.device), config.optimizer),
          .bins = make_ratio_bins(config.ratio, context.device)};
}

TaskCost cost_of(const DistilTask& task) {
  const auto pass = static_cast<double>(pass_cost(task.teacher).macs);
  const int64_t parameters = parameter_count(task.teacher);
  const double turns = 1.0 / static_cast<double>(task.config.fake.updates_per_student);
  TaskCost cost{.parameters = {{"teacher", parameters}, {"student", parameters}, {"fake", parameters}}};
  // Every step draws images and trains the fake; the student's turn adds its backward pass, D_p and D_q.
  cost.macs_per_image = pass * (1 + kTrainingPasses + turns * (2 + 2));
  cost.bytes = 2 * training_bytes(parameters) + 8.0 * static_cast<double>(parameters) +
               8.0 * static_cast<double>(pass_cost(task.teacher).activations * pass_size(task.run));
  if (task.critic) {
    const int64_t heads = parameter_count(task.critic->heads.module);
    cost.parameters.emplace_back("discriminator", heads);
    cost.bytes += training_bytes(heads);
    cost.macs_per_image += pass * 0.5;  // the encoder is about half of a pass: real images go through it
    if (task.critic->config.adversarial_weight > 0) cost.macs_per_image += pass * 0.5 * turns;
  }
  return cost;
}

}  // namespace

std::string DistilConfig::problem() const {
  if (!discriminator && divergence.name != "reverse_kl") {
    return "divergence " + divergence.name +
           " needs the density ratio, which comes from a discriminator; only reverse_kl does without";
  }
  return "";
}

Task make_distil_task(const DistilConfig& config, const TaskContext& context) {
  const Denoiser teacher = load_denoiser(config.teacher, context.device);
  if (!std::holds_alternative<SongUNet>(teacher.network)) {
    throw config::ConfigError("task.teacher: " + config.teacher +
                              " is not a network that a student can copy");
  }
  require_fit(context, "the teacher " + config.teacher, image_shape(teacher), label_dim(teacher));

  auto student = make_trainee(clone(teacher), config.student.optimizer);
  auto average = make_average(student.module);
  std::optional<Critic> critic;
  if (config.discriminator) critic = make_critic(*config.discriminator, teacher, context);
  auto self =
      std::make_shared<DistilTask>(DistilTask{.config = config,
                                              .run = context.run,
                                              .device = context.device,
                                              .provenance = context.provenance,
                                              .teacher = teacher,
                                              .student = std::move(student),
                                              .average = std::move(average),
                                              .fake = make_trainee(clone(teacher), config.fake.optimizer),
                                              .critic = std::move(critic)});
  Task task{.step = [self](const Batch& batch) { return self->step(batch); },
            .save_model = [self](const std::filesystem::path& path) { self->save(path); },
            .snapshot = [self] { return draw_sheet(self->average.module, self->sampler()); }};
  append_state(task.state, "student", self->student);
  task.state.emplace_back("student.ema", self->average.values);
  append_state(task.state, "fake", self->fake);
  if (self->critic) {
    append_state(task.state, "discriminator", self->critic->heads);
    for_each_tensor(self->critic->bins, [&](const std::string& name, at::Tensor& tensor, bool) {
      task.state.emplace_back("ratio." + name, tensor);
    });
  }
  task.cost = cost_of(*self);
  return task;
}

}  // namespace onestep
