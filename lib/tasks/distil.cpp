// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "distillation/diagnostics.h"
#include "distillation/student_steps.h"
#include "distillation/teacher_pairs.h"
#include "io/log.h"
#include "losses/adversarial.h"
#include "losses/finite.h"
#include "losses/regression.h"
#include "losses/reward.h"
#include "networks/guidance.h"
#include "samplers/model_data.h"
#include "samplers/sheet.h"
#include "tasks/distil_cost.h"
#include "tasks/distil_figures.h"
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

/// A part in the student's turn: what is seen of its images, and where they should move.
struct Turn {
  Part& part;
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
  bool labelled;  ///< whether the student is asked for classes, as its network is made for
  StudentSteps student_steps;
  int64_t seen_images = 0;
  Trainee<Student> student;
  Average<Student> average;
  Fake fake;
  std::optional<Critic> critic;
  Ratio ratio;
  std::optional<Classifier> classifier;  ///< of the reward
  at::Tensor measured;                   ///< b, a row for each particle
  std::optional<TeacherPairs> pairs;     ///< of the regression; made before the first step
  Diagnostics diagnostics;

  /// One update of the fake score and the discriminator on a batch of the student's images, and, in its turn,
  /// of the student before them.
  StepStats step(const Batch& batch) {
    const int64_t nimg = batch.indices[0].item<int64_t>();
    const int64_t size = batch.images.size(0);
    StepStats stats;
    std::vector<Part> parts;
    for (const Batch& some : split(batch, run.micro_batch)) parts.push_back(begin(some, nimg, size));
    const bool students_turn = student_steps.at(nimg);
    // A graph is kept from here to the student's update only where it is the whole batch's.
    for (Part& part : parts) draw(part, students_turn && parts.size() == 1);

    std::vector<Turn> turns;
    if (students_turn) turns = update_student(parts, stats);
    for (Part& part : parts) part.y = part.y.detach();
    if (!students_turn || learns_in_students_step(config.fake)) update_fake_and_critic(parts, turns, stats);
    seen_images = nimg + size;
    return stats;
  }

  /// A micro-batch, with classes where the student is asked for them: also where the teacher is analytic and
  /// knows none.
  Part begin(const Batch& batch, int64_t nimg, int64_t size) {
    Part part = begin_part(batch, run.seed, nimg, size, device);
    part.labels = student_labels(student.module, part);
    if (!labelled) part.labels = part.real_labels = at::Tensor();
    return part;
  }

  /// y = G(z), and the noise level and noise at which it is compared.
  void draw(Part& part, bool with_graph) {
    {
      const c10::AutoGradMode mode(with_graph);
      part.y = student_images(student.module, part);
      part.finite = part.finite & finite_samples(part.y);
      part.y = kept(part.y, part.finite);
    }
    part.sigma = draw_sigma(config.sigma, run.seed, Purpose::student_sigma, part.indices, device);
    part.epsilon = unit_noise(part, Purpose::student_noise);
  }

  /// Where should each image move, and then the student with it.
  std::vector<Turn> update_student(std::vector<Part>& parts, StepStats& stats) {
    const auto [nimg, size] = std::pair(parts[0].nimg, parts[0].size);
    std::vector<Turn> turns;
    for (Part& part : parts) turns.push_back(move(part, stats));
    // Both branches are linear in h, so that its mean over the whole batch may be divided by at last.
    const bool normalise = std::visit([](const auto& loss) { return loss.normalise_weight; }, config.loss);
    const at::Tensor mean = mean_weight(turns);
    for (Turn& turn : turns) {
      at::Tensor gradient = normalise ? normalise_by_mean(turn.descent, mean) : turn.descent;
      if (turn.extra.defined()) gradient = gradient + turn.extra;
      Part& part = turn.part;
      part.finite = part.finite & finite_samples(gradient);
      diagnostics.add_gradient(part.finite);
      const at::Tensor y = part.y.requires_grad() ? part.y : student_images(student.module, part);
      y.backward(kept(gradient, part.finite) / static_cast<double>(size));
    }
    regress(parts, stats);
    const int64_t before = student_steps.images(nimg), after = student_steps.images(nimg + size);
    const at::Tensor norm = update(student, before, size, student_steps.images(run.images), any_finite(parts),
                                   rows_met(student.module, nimg, size));
    stats.add_update("student/", norm, student.adam.skipped);
    ema_step(config.student.ema, average.values, student.flat.values, after, size);
    return turns;
  }

  /// The mean of h over the finite samples of a batch.
  static at::Tensor mean_weight(const std::vector<Turn>& turns) {
    std::vector<at::Tensor> weights, finite;
    for (const Turn& turn : turns) {
      weights.push_back(kept(turn.weights.h, turn.part.finite));
      finite.push_back(turn.part.finite);
    }
    return at::cat(weights).sum() / at::cat(finite).sum().clamp_min(1);
  }

  static at::Tensor any_finite(const std::vector<Part>& parts) {
    std::vector<at::Tensor> finite;
    for (const Part& part : parts) finite.push_back(part.finite);
    return at::cat(finite).any();
  }

  /// One part's image-space gradients.
  Turn move(Part& part, StepStats& stats) {
    Turn turn{.part = part};
    const bool compare_branches = looks_at_branches(part);
    const bool expanded = std::holds_alternative<ExpandedConfig>(config.loss);
    const bool adversarial = config.adversarial && weight_at(config.adversarial->term, part.nimg) > 0;
    look(turn, expanded || compare_branches, adversarial);
    weigh(turn);
    // One mask for all losses of the step.
    part.finite = part.finite & finite_samples(turn.teacher) & finite_samples(turn.fake) &
                  finite_samples(turn.weights.h);
    if (turn.logits.defined()) part.finite = part.finite & finite_samples(turn.logits);
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
    const std::vector<int64_t> none, resolutions = critic ? critic->resolutions : none;
    Perceived p, q;
    {
      const c10::AutoGradMode mode(through_networks || (through_critic && eye == "teacher"));
      p = perceive_guided(teacher, turn.x, part.sigma, {.labels = part.labels}, config.teacher_guidance,
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
    const auto pixels = static_cast<double>(part.y[0].numel());
    stats.add("loss", moved.loss / pixels, part.finite);
    return moved.gradient * (loss.weight / pixels);
  }

  at::Tensor descend(const ExpandedConfig& loss, const Turn& turn, bool keep_graph, StepStats& stats) {
    const Part& part = turn.part;
    const at::Tensor losses =
        expanded_loss(loss, turn.y, turn.x, turn.teacher, turn.fake, part.sigma, turn.weights);
    stats.add("loss", losses.detach() / static_cast<double>(part.y[0].numel()), part.finite);
    return gradient_at(turn.y, loss.weight * losses, keep_graph);
  }

  /// What a term of one pixel's order is multiplied with to stand beside the branch's score difference: the
  /// expanded branch's is a sum over pixels, the integral one's a mean.
  double term_unit(const Part& part) const {
    return std::holds_alternative<ExpandedConfig>(config.loss) ? static_cast<double>(part.y[0].numel()) : 1;
  }

  /// Whether both branches' gradients are computed for this micro-batch, to be compared.
  bool looks_at_branches(const Part& part) const {
    const int64_t every = config.compare_every, step = student_steps.images(part.nimg) / run.batch;
    return every > 0 && is_posterior_mean(config.fake) && part.first == part.nimg && step % every == 0;
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

  /// The scale [n] that the branch gives a sample's score difference, in its own power of σ.
  at::Tensor scale_of_branch(const Turn& turn) const {
    const auto scale = [&](const std::string& normalisation, int power) {
      return sample_scale(normalisation, turn.y.detach(), turn.teacher.detach(), turn.part.sigma, power);
    };
    if (const auto* expanded = std::get_if<ExpandedConfig>(&config.loss))
      return scale(expanded->normalisation, 4);
    return scale(std::get<IntegralConfig>(config.loss).normalisation, 2);
  }

  /// ∂/∂y of the terms beside the score difference.
  void add_terms(Turn& turn, StepStats& stats) {
    const auto add = [&](const char* name, double weight, const at::Tensor& at_images,
                         const at::Tensor& losses) {
      stats.add(name, losses, turn.part.finite);
      const at::Tensor gradient = weight * term_unit(turn.part) * gradient_at(at_images, losses);
      turn.extra = turn.extra.defined() ? turn.extra + gradient : gradient;
    };
    const auto weight_of = [&](const auto& term) {
      return term ? weight_at(term->term, turn.part.nimg) : 0.0;
    };
    if (const double weight = weight_of(config.adversarial); weight > 0) {
      at::Tensor losses = generator_loss(critic->config.loss, turn.logits);
      if (config.adversarial->scaled) losses = losses * scale_of_branch(turn);
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
          data_fidelity_loss(config.fidelity->measurement, y, b, config.fidelity->noise_std) /
              static_cast<double>(y[0].numel()));
    }
  }

  /// Before the first step: the teacher's pairs. False where `stop` said so.
  bool prepare(const std::function<bool()>& stop) {
    if (!config.regression) return true;
    const auto classes = trained_classes(teacher, class_counts(data));
    pairs = teacher_pairs(*config.regression, teacher, classes, run.seed,
                          std::filesystem::path(run.dir) / "pairs", stop);
    return pairs.has_value();
  }

  /// The student's first step against the teacher's images of the same latents: gradient straight into the
  /// student.
  void regress(const std::vector<Part>& parts, StepStats& stats) {
    const double weight = config.regression ? weight_at(config.regression->term, parts[0].nimg) : 0;
    if (weight == 0) return;
    if (!pairs) prepare([] { return false; });
    for (const Part& part : parts) {
      const auto [latents, labels, images] = pairs_of(*pairs, part);
      const at::Tensor y = first_step(std::get<SteppedStudent>(student.module.form), latents, labels);
      const at::Tensor losses = regression_loss(y, images) / static_cast<double>(y[0].numel());
      const at::Tensor finite = finite_samples(losses);
      (weight * term_unit(part) * kept(losses, finite).sum() / static_cast<double>(part.size)).backward();
      stats.add("regression", losses, finite);
    }
  }

  /// Denoising loss of D_q on the student's images, and the discriminator's on real and student images.
  void update_fake_and_critic(const std::vector<Part>& parts, const std::vector<Turn>& turns,
                              StepStats& stats) {
    const auto [nimg, size] = std::pair(parts[0].nimg, parts[0].size);
    const double sigma_data = teacher.config.preconditioning.sigma_data;
    const bool shared = critic && shares_encoder(critic->config);
    BinSums sums;
    for (size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      at::Tensor finite = part.finite;
      FakeLoss denoising;
      if (fake.network) {
        denoising =
            fake_losses(fake, part, sigma_data, shared ? critic->resolutions : std::vector<int64_t>{});
        finite = finite & finite_samples(denoising.losses);
      }
      CriticLoss seen;
      if (critic) {
        const bool known = !turns.empty();
        seen = shared ? shared_critic_losses(*critic, fake, part, denoising)
                      : critic_losses(*critic, teacher, fake, part,
                                      known ? turns[i].features : std::vector<at::Tensor>{});
        finite = finite & finite_samples(seen.losses);
      }
      at::Tensor total;
      const auto learn = [&](const char* name, const at::Tensor& losses) {
        stats.add(name, losses, finite);
        const at::Tensor sum = kept(losses, finite).sum() / static_cast<double>(size);
        total = total.defined() ? total + sum : sum;
      };
      if (fake.network) learn("fake", denoising.losses);
      if (critic) learn("disc", seen.losses);
      if (total.defined()) total.backward();
      if (!critic) continue;
      diagnostics.add_real_logits(seen.real_logits);
      const BinSums some = bin_sums(density_ratio(seen.student_logits, ratio.config.measure), seen.sigma,
                                    ratio.config.measure);
      sums = sums.count.defined() ? (sums += some) : some;
    }
    const at::Tensor any = any_finite(parts);
    const auto learnt = [&](const char* prefix, auto& network) {
      stats.add_update(prefix, update(network, nimg, size, run.images, any), network.adam.skipped);
    };
    if (fake.network) learnt("fake/", *fake.network);
    if (!critic) return;
    if (critic->networks) learnt("disc/", *critic->networks);
    calibrate(ratio, sums);
  }

  Diagnosis diagnose() {
    Diagnosis diagnosis = diagnostics.take();
    diagnosis.values["student_images"] = student_steps.images(seen_images);
    return diagnosis;
  }

  at::Tensor snapshot() {
    if (const auto* particles = std::get_if<Particles>(&average.module.form))
      return sheet_of(particles->images);
    const Denoiser denoiser = as_denoiser(average.module);
    return draw_sheet(denoiser, own_sampler(average.module), trained_classes(denoiser, class_counts(data)));
  }

  io::TensorFile model() {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(own_sampler(average.module)).dump();
    return model_file(as_denoiser(average.module), std::move(metadata));
  }
};

}  // namespace

Task make_distil_task(const DistilConfig& config, const TaskContext& context) {
  for (const std::string& warning : guidance_warnings(config)) io::log_warning(warning);
  const Denoiser teacher = open_teacher(config, context);
  const std::optional<Denoiser> network = open_network(config, teacher, context);
  const auto seed = static_cast<uint64_t>(context.run.seed);
  Student start = make_student(config.student.generator, network, context.data, seed, context.device);
  const int64_t rows = student_rows(start);
  auto student = make_trainee(std::move(start), config.student.optimizer, rows);
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
                 .labelled = label_dim(network.value_or(teacher)) > 0,
                 .student_steps = {.batch = context.run.batch,
                                   .every = updates_per_student(config.fake),
                                   .start = 1000 * config.student.start_kimg},
                 .student = std::move(student),
                 .average = std::move(average),
                 .fake = std::move(fake),
                 .critic = std::move(critic),
                 .ratio = {config.ratio, make_ratio_bins(config.ratio.measure, context.device)},
                 .classifier = open_classifier(config, network.value_or(teacher), context),
                 .measured = measured,
                 .diagnostics = {.ratio = config.ratio.measure}});
  Task task{.prepare = [self](const std::function<bool()>& stop) { return self->prepare(stop); },
            .step = [self](const Batch& batch) { return self->step(batch); },
            .model = [self] { return self->model(); },
            .figures =
                [self] {
                  return distil_figures(self->config, self->run, self->teacher, self->average.module,
                                        self->fake, self->data.images);
                },
            .diagnose = [self] { return self->diagnose(); }};
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
  task.cost = distil_cost(config, context.run, teacher, self->student.module, self->fake, self->critic);
  return task;
}

}  // namespace onestep
