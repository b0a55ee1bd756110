// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "distillation/diagnostics.h"
#include "distillation/laboratory.h"
#include "io/image.h"
#include "losses/adversarial.h"
#include "losses/regression.h"
#include "losses/reward.h"
#include "networks/cost.h"
#include "networks/guidance.h"
#include "samplers/seeds.h"
#include "samplers/sheet.h"
#include "tasks/distil_networks.h"

namespace onestep {
namespace {

/// The gradient of a sum of losses at images that carry a graph; parameters on the way gather nothing.
at::Tensor gradient_at(at::Tensor images, const at::Tensor& losses, bool keep_graph = false) {
  images.mutable_grad() = at::Tensor();
  losses.sum().backward({}, keep_graph, /*create_graph=*/false, std::vector<at::Tensor>{images});
  const at::Tensor gradient = images.grad();
  images.mutable_grad() = at::Tensor();
  return gradient;
}

/// Per-sample numbers over images.
at::Tensor over_images(const at::Tensor& values) {
  return values.reshape({-1, 1, 1, 1});
}

/// A part in the student's turn: what is seen of its images, and where they should move.
struct Turn {
  Part part;
  at::Tensor y, x;                   ///< leaves of the turn's own graph: x = y + σ ε
  at::Tensor teacher, fake;          ///< D_p(x; σ), D_q(x; σ)
  at::Tensor logits;                 ///< of the discriminator at x
  std::vector<at::Tensor> features;  ///< what it saw there, without graph
  DivergenceWeights weights;         ///< h(r) and its derivatives
  at::Tensor descent;  ///< ∂/∂y of the score difference, before any division by the mean of h
  at::Tensor extra;    ///< ∂/∂y of the other terms; undefined without any
};

struct DistilTask {
  DistilConfig config;
  RunConfig run;
  at::Device device;
  std::map<std::string, std::string> provenance;
  Dataset data;
  Denoiser teacher;
  Trainee<Student> student;
  Average<Student> average;
  Fake fake;
  std::optional<Critic> critic;
  Ratio ratio;
  std::optional<Classifier> classifier;  ///< of the reward
  at::Tensor measured;                   ///< b, a row for each particle
  std::optional<TeacherPairs> pairs;     ///< of the regression; made when first needed
  Diagnostics diagnostics;

  /// One update of the fake score and the discriminator on a batch of the student's images, and, in its turn,
  /// of the student before them.
  StepStats step(const Batch& batch) {
    const int64_t nimg = batch.indices[0].item<int64_t>();
    const int64_t size = batch.images.size(0);
    StepStats stats;
    std::vector<Part> parts;
    for (const Batch& some : split(batch, run.micro_batch)) parts.push_back(begin(some, nimg, size));
    const bool students_turn = nimg / run.batch % updates_per_student(config.fake) == 0 &&
                               static_cast<double>(nimg) >= 1000 * config.student.start_kimg;
    // A graph is kept from here to the student's update only where it is the whole batch's.
    for (Part& part : parts) draw(part, students_turn && parts.size() == 1);

    std::vector<Turn> turns;
    if (students_turn) turns = update_student(parts, stats);
    for (Part& part : parts) part.y = part.y.detach();
    update_fake_and_critic(parts, turns, stats);
    return stats;
  }

  Part begin(const Batch& batch, int64_t nimg, int64_t size) {
    Part part = begin_part(batch, run.seed, nimg, size, device);
    part.labels = labels_for(teacher, student_labels(student.module, part));
    part.real_labels = labels_for(teacher, part.real_labels);
    return part;
  }

  /// y = G(z), and the noise level and noise at which it is compared.
  void draw(Part& part, bool with_graph) {
    {
      const c10::AutoGradMode mode(with_graph);
      part.y = student_images(student.module, part);
    }
    part.sigma = draw_sigma(config.sigma, run.seed, Purpose::student_sigma, part.indices, device);
    part.epsilon = unit_noise(part, Purpose::student_noise);
  }

  /// Where should each image move, and then the student with it.
  std::vector<Turn> update_student(const std::vector<Part>& parts, StepStats& stats) {
    const auto [nimg, size] = std::pair(parts[0].nimg, parts[0].size);
    std::vector<Turn> turns;
    std::vector<at::Tensor> weights;
    for (const Part& part : parts) {
      turns.push_back(move(part, stats));
      weights.push_back(turns.back().weights.h);
    }
    // Both branches are linear in h, so that its mean over the whole batch may be divided by at last.
    const bool normalise = std::visit([](const auto& loss) { return loss.normalise_weight; }, config.loss);
    const at::Tensor mean = at::cat(weights).mean();
    for (const Turn& turn : turns) {
      at::Tensor gradient = normalise ? normalise_by_mean(turn.descent, mean) : turn.descent;
      if (turn.extra.defined()) gradient = gradient + turn.extra;
      const at::Tensor finite = over_images(diagnostics.add_gradient(gradient));
      gradient = at::where(finite, gradient, at::zeros_like(gradient));
      const at::Tensor y =
          turn.part.y.requires_grad() ? turn.part.y : student_images(student.module, turn.part);
      y.backward(gradient / static_cast<double>(size));
    }
    regress(parts, stats);
    stats.add("student/grad_norm", update(student, nimg, size, run.images));
    ema_step(config.student.ema, average.values, student.flat.values, nimg + size, size);
    return turns;
  }

  /// One part's image-space gradients.
  Turn move(const Part& part, StepStats& stats) {
    Turn turn{.part = part};
    const bool compare_branches = looks_at_branches(part);
    const bool expanded = std::holds_alternative<ExpandedConfig>(config.loss);
    const bool adversarial = config.adversarial && weight_at(config.adversarial->term, part.nimg) > 0;
    look(turn, expanded || compare_branches, adversarial);
    weigh(turn);
    diagnostics.add_gap(turn.teacher, turn.fake, part.sigma);

    turn.descent =
        std::visit([&](const auto& loss) { return descend(loss, turn, adversarial, stats); }, config.loss);
    if (compare_branches) look_at_branches(turn, adversarial);
    add_terms(turn, stats);
    turn.y = turn.x = turn.teacher = turn.fake = turn.logits = at::Tensor();  // and the graph with them
    return turn;
  }

  /// D_p, D_q and the discriminator's logits at x, each with a graph to y where somebody will ask for it.
  void look(Turn& turn, bool through_networks, bool through_critic) {
    const Part& part = turn.part;
    const bool graph = through_networks || through_critic;
    turn.y = part.y.detach().clone().set_requires_grad(graph);
    turn.x = noised(turn.y, part.sigma, part.epsilon);
    const std::string eye = critic ? critic->config.features : "";
    const std::vector<int64_t> none, resolutions = critic ? critic->config.resolutions : none;
    Perceived p, q;
    {
      const c10::AutoGradMode mode(through_networks || (through_critic && eye == "teacher"));
      p = perceive_guided(teacher, turn.x, part.sigma, part.labels, config.teacher_guidance,
                          eye == "teacher" ? resolutions : none);
    }
    {
      const c10::AutoGradMode mode(through_networks || (through_critic && eye == "fake"));
      q = perceive(fake, student.module, teacher, turn.x, part, eye == "fake" ? resolutions : none);
    }
    turn.teacher = p.denoised;
    turn.fake = q.denoised;
    if (!critic) return;
    const c10::AutoGradMode mode(through_critic);
    if (eye == "own") {
      turn.logits = logits_of(*critic, teacher, fake, turn.x, part.sigma, part.labels);
      return;
    }
    const std::vector<at::Tensor>& features = eye == "teacher" ? p.features : q.features;
    turn.logits = logits(*critic, features);
    for (const at::Tensor& feature : features) turn.features.push_back(feature.detach());
  }

  /// r and the weights that the divergence makes of it.
  void weigh(Turn& turn) {
    const Part& part = turn.part;
    const bool believed = static_cast<double>(part.nimg) >= 1000 * ratio.config.start_kimg;
    at::Tensor log_ratio;
    if (ratio.config.source == "exact") {
      log_ratio = exact_log_ratio(std::get<GaussianMixture>(teacher.network), *exact_density(student.module),
                                  turn.x.detach(), part.sigma);
    } else if (critic) {
      log_ratio = sample_logits(turn.logits);
    }
    const bool known = log_ratio.defined() && believed && ratio.config.source != "one";
    const at::Tensor r = known ? ratio_of(ratio, log_ratio, part.sigma) : at::ones_like(part.sigma);
    turn.weights = divergence_weights(config.divergence, r);
    if (log_ratio.defined()) diagnostics.add_ratio(log_ratio, part.sigma, turn.weights.h);
  }

  at::Tensor descend(const IntegralConfig& loss, const Turn& turn, bool, StepStats& stats) {
    const Part& part = turn.part;
    const kernels::ScoreDifference moved = score_difference(loss, turn.y.detach(), turn.teacher.detach(),
                                                            turn.fake.detach(), part.sigma, turn.weights.h);
    stats.add("loss", moved.loss.nanmean() / static_cast<double>(part.y[0].numel()));
    return moved.gradient;
  }

  at::Tensor descend(const ExpandedConfig& loss, const Turn& turn, bool keep_graph, StepStats& stats) {
    const Part& part = turn.part;
    const at::Tensor losses =
        expanded_loss(loss, turn.y, turn.x, turn.teacher, turn.fake, part.sigma, turn.weights);
    stats.add("loss", losses.detach().nanmean() / static_cast<double>(part.y[0].numel()));
    return gradient_at(turn.y, losses, keep_graph);
  }

  /// Whether this is a step in which both branches' gradients are computed, to be compared.
  bool looks_at_branches(const Part& part) const {
    const int64_t every = config.compare_images;
    return every > 0 && is_posterior_mean(config.fake) && part.nimg % every < part.size;
  }

  void look_at_branches(const Turn& turn, bool keep_graph) {
    StepStats unheard;
    const auto* expanded = std::get_if<ExpandedConfig>(&config.loss);
    const at::Tensor other = expanded
                                 ? descend(IntegralConfig{}, turn, keep_graph, unheard)
                                 : gradient_at(turn.y,
                                               expanded_loss(ExpandedConfig{}, turn.y, turn.x, turn.teacher,
                                                             turn.fake, turn.part.sigma, turn.weights),
                                               keep_graph);
    diagnostics.add_branches(expanded ? other : turn.descent, expanded ? turn.descent : other);
  }

  /// ∂/∂y of the terms beside the score difference.
  void add_terms(Turn& turn, StepStats& stats) {
    const auto add = [&](const char* name, double weight, const at::Tensor& at_images,
                         const at::Tensor& losses) {
      stats.add(name, losses.detach().nanmean());
      const at::Tensor gradient = weight * gradient_at(at_images, losses);
      turn.extra = turn.extra.defined() ? turn.extra + gradient : gradient;
    };
    const auto weight_of = [&](const auto& term) {
      return term ? weight_at(term->term, turn.part.nimg) : 0.0;
    };
    if (const double weight = weight_of(config.adversarial); weight > 0) {
      at::Tensor losses = generator_loss(critic->config.loss, turn.logits);
      const std::string& scale =
          std::visit([](const auto& c) -> const std::string& { return c.normalisation; }, config.loss);
      if (config.adversarial->scaled) {
        losses = losses * sample_scale(scale, turn.y.detach(), turn.teacher.detach(), turn.part.sigma, 2);
      }
      add("adv", weight, turn.y, losses);
    }
    const auto fresh_images = [&] { return turn.part.y.detach().clone().set_requires_grad(true); };
    if (const double weight = weight_of(config.reward); weight > 0) {
      const at::Tensor y = fresh_images();
      const at::Tensor hot = student_labels(student.module, turn.part);
      add("reward", weight, y, -classifier_reward(classify(*classifier, y).logits, hot));
    }
    if (const double weight = weight_of(config.fidelity); weight > 0) {
      const at::Tensor y = fresh_images(), b = of_part(measured, turn.part);
      add("fidelity", weight, y,
          data_fidelity_loss(config.fidelity->measurement, y, b, config.fidelity->noise_std));
    }
  }

  /// The student's first step against the teacher's images of the same latents: gradient straight into the
  /// student.
  void regress(const std::vector<Part>& parts, StepStats& stats) {
    const double weight = config.regression ? weight_at(config.regression->term, parts[0].nimg) : 0;
    if (weight == 0) return;
    if (!pairs) {
      pairs = teacher_pairs(*config.regression, teacher, run.seed, device,
                            std::filesystem::path(run.dir) / "pairs.safetensors");
    }
    for (const Part& part : parts) {
      const at::Tensor labels = pairs->labels.defined() ? of_part(pairs->labels, part) : at::Tensor();
      const at::Tensor y =
          first_step(std::get<SteppedStudent>(student.module.form), of_part(pairs->latents, part), labels);
      const at::Tensor losses = regression_loss(y, of_part(pairs->images, part));
      (weight * losses.sum() / static_cast<double>(part.size)).backward();
      stats.add("regression", losses.mean() / static_cast<double>(y[0].numel()));
    }
  }

  /// Denoising loss of D_q on the student's images, and the discriminator's on real and student images.
  void update_fake_and_critic(const std::vector<Part>& parts, const std::vector<Turn>& turns,
                              StepStats& stats) {
    const auto [nimg, size] = std::pair(parts[0].nimg, parts[0].size);
    const double sigma_data = teacher.config.preconditioning.sigma_data;
    BinSums sums;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (fake.network) {
        const at::Tensor losses = fake_losses(fake, parts[i], sigma_data);
        (losses.sum() / static_cast<double>(size)).backward();
        stats.add("fake", losses.mean());
      }
      if (!critic) continue;
      const CriticLoss seen = critic_losses(*critic, teacher, fake, parts[i],
                                            turns.empty() ? std::vector<at::Tensor>{} : turns[i].features);
      (critic->config.weight * seen.losses.sum() / static_cast<double>(size)).backward();
      stats.add("disc", seen.losses.mean());
      diagnostics.add_real_logits(seen.real_logits);
      const BinSums some = bin_sums(density_ratio(seen.student_logits, ratio.config.measure), parts[i].sigma,
                                    ratio.config.measure);
      sums = sums.count.defined() ? (sums += some) : some;
    }
    if (fake.network) stats.add("fake/grad_norm", update(*fake.network, nimg, size, run.images));
    if (!critic) return;
    if (critic->networks) stats.add("disc/grad_norm", update(*critic->networks, nimg, size, run.images));
    calibrate(ratio, sums);
  }

  at::Tensor snapshot() {
    if (const auto* particles = std::get_if<Particles>(&average.module.form))
      return sheet_of(particles->images);
    return draw_sheet(as_denoiser(average.module), own_sampler(average.module));
  }

  /// Pictures of analytic data and what the student makes of them.
  std::vector<Figure> figures() const {
    const auto* density = std::get_if<GaussianMixture>(&teacher.network);
    // A reference's score belongs to its image, so that there is no field to draw.
    if (density == nullptr || std::holds_alternative<ReferenceFakeConfig>(config.fake)) return {};
    constexpr int64_t kPoints = 2000;
    constexpr double kSigma = 0.5;
    const c10::NoGradGuard no_grad;
    Part part{.seed = static_cast<uint64_t>(run.seed),
              .indices = at::arange(kPoints),
              .real = data.images.slice(0, 0, kPoints).to(device)};
    part.indices = part.indices.slice(0, 0, part.real.size(0));
    const Student& now = average.module;
    const auto* stepped = std::get_if<SteppedStudent>(&now.form);
    const at::Tensor points =
        stepped
            ? generate(stepped->network, own_sampler(now), consecutive_seeds(0, kPoints), {}, kPoints).samples
            : student_images(now, part);
    const auto fake_at = [&](const at::Tensor& x, const at::Tensor& sigma) {
      return perceive(fake, now, teacher, x, {.y = x, .sigma = sigma}, {}).denoised;
    };
    const auto teacher_at = [&](const at::Tensor& x, const at::Tensor& sigma) {
      return denoise(*density, x, sigma);
    };
    return pictures_of(
        {.teacher = *density,
         .data = part.real,
         .student = points,
         .density = std::holds_alternative<GaussianStudent>(now.form) ? exact_density(now) : std::nullopt,
         .teacher_denoised = teacher_at,
         .fake_denoised = fake_at,
         .sigma = kSigma});
  }

  io::TensorFile model() {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(own_sampler(average.module)).dump();
    return model_file(as_denoiser(average.module), std::move(metadata));
  }
};

TaskCost cost_of(const DistilTask& task) {
  const Denoiser& network = task.fake.network ? task.fake.network->module : task.teacher;
  const PassCost one = pass_cost(network);
  const auto pass = static_cast<double>(one.macs);
  const double turns = 1.0 / static_cast<double>(updates_per_student(task.config.fake));
  const bool stepped = std::holds_alternative<SteppedStudent>(task.student.module.form);
  const double guided = task.config.teacher_guidance == 1 ? 1 : 2;
  // D_p and D_q in the student's turn; the expanded branch goes back through both to their input.
  const double compared = (guided + 1) * (std::holds_alternative<ExpandedConfig>(task.config.loss) ? 2 : 1);
  TaskCost cost{.parameters = {{"teacher", parameter_count(task.teacher)},
                               {"student", parameter_count(task.student.module)}}};
  cost.macs_per_image = pass * ((stepped ? 1 + 2 * turns : 0) + turns * compared);
  cost.bytes = training_bytes(cost.parameters[1].second) +
               4.0 * static_cast<double>(cost.parameters[0].second) +
               4.0 * static_cast<double>(cost.parameters[1].second) +
               8.0 * static_cast<double>(one.activations * pass_size(task.run));
  if (task.fake.network) {
    cost.parameters.emplace_back("fake", parameter_count(network));
    cost.bytes += training_bytes(parameter_count(network));
    cost.macs_per_image += pass * kTrainingPasses;
  }
  if (task.critic) {
    // The encoder is about half of a pass: real images go through it; student images where they must anew.
    const bool learns = trains_encoder(task.critic->config);
    cost.macs_per_image += pass * 0.5 * (learns ? 2 * kTrainingPasses : 1);
    if (task.config.adversarial) cost.macs_per_image += pass * 0.5 * turns;
    if (task.critic->networks) {
      const int64_t own = parameter_count(task.critic->networks->module);
      cost.parameters.emplace_back("discriminator", own);
      cost.bytes += training_bytes(own);
    }
  }
  return cost;
}

}  // namespace

Task make_distil_task(const DistilConfig& config, const TaskContext& context) {
  const Denoiser teacher = open_teacher(config, context);
  const std::optional<Denoiser> network = open_network(config, teacher, context);
  const auto seed = static_cast<uint64_t>(context.run.seed);
  auto student =
      make_trainee(make_student(config.student.generator, network, context.data, seed, context.device),
                   config.student.optimizer);
  auto average = make_average(student.module);
  Fake fake = make_fake(config.fake, network);
  std::optional<Critic> critic;
  if (config.discriminator) {
    if (!network)
      throw config::ConfigError("task.network: the discriminator needs a network to look through");
    critic = make_critic(*config.discriminator, *network, seed, context.device);
  }
  at::Tensor measured;
  if (config.fidelity && !context.device.is_meta()) {
    measured = measurements(*config.fidelity, std::get<Particles>(student.module.form), seed);
  }
  auto self = std::make_shared<DistilTask>(
      DistilTask{.config = config,
                 .run = context.run,
                 .device = context.device,
                 .provenance = context.provenance,
                 .data = context.data,
                 .teacher = teacher,
                 .student = std::move(student),
                 .average = std::move(average),
                 .fake = std::move(fake),
                 .critic = std::move(critic),
                 .ratio = {config.ratio, make_ratio_bins(config.ratio.measure, context.device)},
                 .classifier = open_classifier(config, context),
                 .measured = measured,
                 .diagnostics = {.ratio = config.ratio.measure}});
  Task task{.step = [self](const Batch& batch) { return self->step(batch); },
            .model = [self] { return self->model(); },
            .figures = [self] { return self->figures(); },
            .diagnose = [self] { return self->diagnostics.take(); }};
  if (context.data.images.size(2) > 1)
    task.snapshot = [self] { return self->snapshot(); };  // points are no picture
  append_state(task.state, "student", self->student);
  task.state.emplace_back("student.ema", self->average.values);
  if (self->fake.network) append_state(task.state, "fake", *self->fake.network);
  if (self->critic) {
    if (self->critic->networks) append_state(task.state, "discriminator", *self->critic->networks);
    for_each_tensor(self->ratio.bins, [&](const std::string& name, at::Tensor& tensor, bool) {
      task.state.emplace_back("ratio." + name, tensor);
    });
  }
  task.cost = cost_of(*self);
  return task;
}

}  // namespace onestep
