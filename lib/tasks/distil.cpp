// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil.h"

#include <algorithm>
#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "distillation/step.h"
#include "distillation/student_steps.h"
#include "io/log.h"
#include "samplers/model_data.h"
#include "samplers/sheet.h"
#include "tasks/distil_cost.h"
#include "tasks/distil_figures.h"
#include "tasks/distil_networks.h"
#include "tasks/distil_terms.h"
#include "training/step_graphs.h"

namespace onestep {
namespace {

struct DistilTask {
  RunConfig run;
  std::map<std::string, std::string> provenance;
  Dataset data;
  Codec codec;
  Workers workers;
  Communicator ranks;
  StepGraphs<ShardReport> graphs;
  StudentSteps student_steps;
  int64_t seen_images = 0;
  std::shared_ptr<TeacherPairs> pairs;  ///< of the regression: empty until `prepare` makes them
  Distillation method;
  Averages<Student> averages;
  Diagnostics diagnostics;

  const Denoiser& teacher() const { return method.networks.front().teacher; }

  /// One update of the fake score and the discriminator on a batch of the student's images, and, in its
  /// steps, of the student. All look at the parameters as they were before.
  StepStats step(const Step& step) {
    const StepPlan plan = plan_of(step);
    begin_sums(step.mine.count);
    ShardReport report = map_shards(workers, step, [&](const Batch& batch, const ShardPlace& place) {
      const auto work = [this, plan, place](const Batch& shard) {
        return distil_shard(method, plan, shard, place);
      };
      auto told = graphs(kind_of(plan, place), to_device(batch, method.device), work);
      contribute(method, plan, place);
      return told;
    });
    if (plan.student_learns) update_student(step, plan, report);
    if (plan.fake_learns) update_fake(step, report);
    diagnostics += report.diagnostics;
    seen_images = step.nimg + step.size;
    return std::move(report.stats);
  }

  StepPlan plan_of(const Step& step) const {
    const DistilConfig& config = method.config;
    const bool student = student_steps.at(step.nimg);
    const int64_t every = config.compare_every, turn = student_steps.images(step.nimg) / run.batch;
    StepPlan plan{
        .size = step.size,
        .student_learns = student,
        .fake_learns = !student || learns_in_students_step(config.fake),
        .compares_branches = student && every > 0 && turn % every == 0 && is_posterior_mean(config.fake),
        .believes_ratio = student && is_believed(method.ratio, step.nimg)};
    if (student)
      for (const Term& term : method.terms) plan.weights.push_back(weight_at(term, step.nimg));
    return plan;
  }

  void begin_sums(int64_t shards) {
    auto& [student, fake, discriminator, normalised, plain] = method.learners;
    student.sum->begin(shards);
    normalised->begin(shards);
    if (fake) fake->sum->begin(shards);
    if (discriminator) discriminator->sum->begin(shards);
  }

  void update_student(const Step& step, const StepPlan& plan, ShardReport& report) {
    Trainee<Student>& student = method.learners.student;
    const int64_t nimg = step.nimg, size = step.size;
    const c10::NoGradGuard no_grad;
    at::Tensor& gradients = student.flat.gradients;  // zeros: what shards contributed is taken
    if (has_normalised_terms(method, plan)) {
      // Undefined h everywhere leaves the update out.
      const at::Tensor mean = report.h / report.h_count.clamp_min(1);
      gradients.copy_(normalise_by_mean(total(*method.learners.normalised, step.ranks), mean));
    }
    if (has_plain_terms(method, plan)) gradients.add_(total(*student.sum, step.ranks));
    const at::Tensor norm =
        update(student, averages, student_steps.images(nimg), size, student_steps.images(run.images),
               report.pulled > 0, rows_met(student.module, nimg, size));
    report.stats.add_update("student/", norm, student.adam.skipped);
  }

  void update_fake(const Step& step, ShardReport& report) {
    const auto learn = [&](const char* name, auto& trainee) {
      if (!trainee) return;
      reduce(*trainee, step.ranks);
      const at::Tensor norm =
          update(*trainee, /*averages=*/{}, step.nimg, step.size, run.images, report.finite > 0);
      report.stats.add_update(name, norm, trainee->adam.skipped);
    };
    learn("fake/", method.learners.fake);
    learn("disc/", method.learners.discriminator);
    if (report.ratio.defined()) calibrate(method.ratio, {report.ratio, report.counts});
  }

  /// Before the first step: the teacher's pairs. False where `stop` said so.
  bool prepare(const std::function<bool()>& stop) {
    const auto& regression = method.config.regression;
    if (!regression) return true;
    const auto classes = trained_classes(teacher(), class_counts(data));
    auto made = teacher_pairs(*regression, teacher(), classes, run.seed,
                              std::filesystem::path(run.dir) / "pairs", stop, workers, ranks);
    if (made) *pairs = std::move(*made);
    return made.has_value();
  }

  void restored() const {
    const auto& [student, fake, discriminator, normalised, plain] = method.learners;
    refresh(student);
    if (fake) refresh(*fake);
    if (discriminator) refresh(*discriminator);
  }

  Diagnosis diagnose() {
    Diagnosis diagnosis = diagnostics.take();
    diagnosis.values["student_images"] = student_steps.images(seen_images);
    return diagnosis;
  }

  std::vector<Figure> figures() const {
    return distil_figures(method.config, run, teacher(), averages.front().module,
                          method.networks.front().fake, data.images);
  }

  at::Tensor snapshot() {
    const Student& model = averages.front().module;
    if (const auto* particles = std::get_if<Particles>(&model.form))
      return sheet_of(particles->images, codec);
    const Denoiser denoiser = as_denoiser(model);
    return draw_sheet(denoiser, own_sampler(model), trained_classes(denoiser, class_counts(data)), workers,
                      codec);
  }

  io::TensorFile model(const Average<Student>& average) const {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(own_sampler(average.module)).dump();
    return model_file(as_denoiser(average.module), std::move(metadata));
  }
};

/// What learns by `terms`, of networks that are drawn or copied, which compute in `type`; each worker's view
/// of them goes into `networks`.
Learners make_learners(const DistilConfig& config, const std::vector<Term>& terms, Networks start,
                       int64_t workers, at::ScalarType type, std::vector<Networks>& networks) {
  start.teacher = rounded(start.teacher, type);
  const TraineeOptions network{.workers = workers, .type = type};
  TraineeOptions student{.rows = student_rows(start.student), .workers = workers};
  if (std::holds_alternative<SteppedStudent>(start.student.form)) student.type = type;
  Learners learners{.student = make_trainee(start.student, config.student.optimizer, student)};
  if (start.fake.network)
    learners.fake =
        make_trainee(*start.fake.network, std::get<FakeNetworkConfig>(config.fake).optimizer, network);
  if (start.discriminator && start.discriminator->networks)
    learners.discriminator =
        make_trainee(*start.discriminator->networks, config.discriminator->optimizer, network);
  const auto normalised = std::ranges::count_if(terms, is_normalised);
  const bool both = normalised > 0 && normalised < std::ssize(terms);
  for (int64_t worker = 0; worker < workers; ++worker) {
    if (both) learners.plain.push_back(at::zeros_like(learners.student.flat.gradients));
    Networks view = start;
    view.student = learners.student.replicas[worker].module;
    if (learners.fake) view.fake.network = learners.fake->replicas[worker].module;
    if (learners.discriminator)
      view.discriminator->networks = learners.discriminator->replicas[worker].module;
    networks.push_back(std::move(view));
  }
  return learners;
}

}  // namespace

Task make_distil_task(const DistilConfig& config, const TaskContext& context) {
  for (const std::string& warning : guidance_warnings(config)) io::log_warning(warning);
  const Denoiser teacher = open_teacher(config, context);
  const std::optional<Denoiser> network = open_network(config, teacher, context);
  const auto seed = static_cast<uint64_t>(context.run.seed);
  Networks start{.teacher = teacher,
                 .student = make_student(config.student.generator, open_student(config, network, context),
                                         context.data, seed, context.device),
                 .fake = make_fake(config.fake, network, context.device)};
  if (config.discriminator) {
    if (!network)
      throw config::ConfigError("task.network: the discriminator needs a network to look through");
    start.discriminator = make_discriminator(*config.discriminator, *network, seed, context.device);
  }
  const int64_t workers = busy_workers(context.run, context.workers.count());
  const auto pairs = std::make_shared<TeacherPairs>();
  std::vector<Term> terms = make_terms(config, context, network.value_or(teacher), start.student, pairs);
  std::vector<Networks> networks;
  Learners learners =
      make_learners(config, terms, std::move(start), workers, network_type(context.run), networks);
  auto averages = make_averages(config.student.ema, learners.student.module);
  auto self = std::make_shared<DistilTask>(
      DistilTask{.run = context.run,
                 .provenance = context.provenance,
                 .data = context.data,
                 .codec = context.codec,
                 .workers = context.workers,
                 .ranks = context.ranks,
                 .graphs = StepGraphs<ShardReport>(context.graphs),
                 .student_steps = {.batch = context.run.batch,
                                   .every = updates_per_student(config.fake),
                                   .start = 1000 * config.student.start_kimg},
                 .pairs = pairs,
                 .method = {.config = config,
                            .seed = seed,
                            .device = context.device,
                            .sigma = make_sigma_source(config.sigma, context.device),
                            .labelled = label_dim(network.value_or(teacher)) > 0,
                            .terms = std::move(terms),
                            .ratio = make_ratio(config.ratio, context.device),
                            .learners = std::move(learners),
                            .networks = std::move(networks)},
                 .averages = std::move(averages),
                 .diagnostics = {.ratio = config.ratio.measure}});
  if (const std::string problem = graph_problem(self->method); context.graphs && !problem.empty()) {
    io::log_warning("run.graph: this run goes without graphs: " + problem);
    self->graphs = StepGraphs<ShardReport>();
  }
  Task task{.prepare = [self](const std::function<bool()>& stop) { return self->prepare(stop); },
            .step = [self](const Step& step) { return self->step(step); },
            .model = [self] { return self->model(self->averages.front()); },
            .averages =
                [self] {
                  return models_of(self->averages, [&](const auto& average) { return self->model(average); });
                },
            .figures = [self] { return self->figures(); },
            .diagnose = [self] { return self->diagnose(); }};
  if (has_pictures(context)) task.snapshot = [self] { return self->snapshot(); };
  Learners& trained = self->method.learners;
  append_state(task.state, "student", trained.student);
  append_state(task.state, "student.ema", self->averages);
  if (trained.fake) append_state(task.state, "fake", *trained.fake);
  if (trained.discriminator) append_state(task.state, "discriminator", *trained.discriminator);
  if (config.discriminator) {
    for_each_tensor(self->method.ratio.bins, [&](const std::string& name, at::Tensor& tensor, bool) {
      task.state.emplace_back("ratio." + name, tensor);
    });
  }
  task.device = context.device;
  task.restored = [self] { self->restored(); };
  task.cost = distil_cost(config, context.run, self->method.networks.front(), workers);
  return task;
}

}  // namespace onestep
