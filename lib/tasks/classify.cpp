// SPDX-License-Identifier: Apache-2.0
#include "tasks/classify.h"

#include <cmath>
#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>

#include "io/numerical_error.h"
#include "networks/cost.h"
#include "tasks/learn.h"

namespace onestep {
namespace {

constexpr int64_t kPass = 1000;  // images a pass without gradients

struct ClassifyTask {
  ClassifyConfig config;
  RunConfig run;
  at::Device device;
  std::map<std::string, std::string> provenance;
  Workers workers;
  StepGraphs<StepStats> graphs;
  Trainee<Classifier> student;

  StepStats step(const Step& step) {
    return learn(student, /*averages=*/{}, workers, graphs, step, device, run.images,
                 [this](const Classifier& network, const Batch& shard, const at::Tensor& images) {
                   const at::Tensor labels = shard.condition.classes.argmax(1),
                                    logits = classify(network, images).logits;
                   return ShardLosses{at::cross_entropy_loss(logits, labels, {}, at::Reduction::None, -100,
                                                             config.label_smoothing),
                                      {{"accuracy", (logits.detach().argmax(1) == labels).to(at::kFloat)}}};
                 });
  }

  void scale_features(const Dataset& data) {
    const c10::NoGradGuard no_grad;
    at::Tensor sum, squares;
    student.module.feature_scale.fill_(1);
    const int64_t n = data.images.size(0);
    for (int64_t first = 0; first < n; first += kPass) {
      const at::Tensor images = to_float(data.images.slice(0, first, std::min(first + kPass, n))).to(device);
      const at::Tensor features = classify(student.module, images).features.to(at::kDouble);
      sum = sum.defined() ? sum + features.sum(0) : features.sum(0);
      squares = squares.defined() ? squares + features.square().sum(0) : features.square().sum(0);
    }
    const at::Tensor mean = sum / static_cast<double>(n);
    const double trace = (squares / static_cast<double>(n) - mean.square()).sum().item<double>();
    if (!(trace > 0)) throw NumericalError("the classifier's features are constant on the training set");
    student.module.feature_scale.fill_(std::sqrt(static_cast<double>(config.network.feature_dim) / trace));
  }
};

}  // namespace

Task make_classify_task(const ClassifyConfig& config, const TaskContext& context) {
  const ClassifierConfig& network = config.network;
  require_fit(context, "task.network", {network.img_channels, network.img_resolution, network.img_resolution},
              network.label_dim);
  const int64_t workers = busy_workers(context.run, context.workers.count());
  const at::ScalarType type = network_type(context.run);
  auto self = std::make_shared<ClassifyTask>(ClassifyTask{
      .config = config,
      .run = context.run,
      .device = context.device,
      .provenance = context.provenance,
      .workers = context.workers,
      .graphs = StepGraphs<StepStats>(context.graphs),
      .student =
          make_trainee(clone(make_classifier(network, context.run.seed, drawn_on(context)), context.device),
                       config.optimizer, {.workers = workers, .type = type})});
  Task task{.step = [self](const Step& step) { return self->step(step); },
            .model = [self] { return model_file(self->student.module, self->provenance); },
            .finish = [self](const Dataset& data) { self->scale_features(data); }};
  append_state(task.state, "network", self->student);
  task.state.emplace_back("feature_scale", self->student.module.feature_scale);
  task.device = context.device;
  task.restored = [self] { refresh(self->student); };
  task.cost = training_cost("classifier", parameter_count(self->student.module),
                            pass_cost(self->student.module), context.run, workers);
  return task;
}

double accuracy(const Classifier& classifier, const Dataset& data, at::Device device) {
  const c10::NoGradGuard no_grad;
  const int64_t n = data.images.size(0);
  int64_t hits = 0;
  for (int64_t first = 0; first < n; first += kPass) {
    const int64_t last = std::min(first + kPass, n);
    const at::Tensor guess =
        classify(classifier, to_float(data.images.slice(0, first, last)).to(device)).logits.argmax(1);
    hits += (guess.cpu() == data.labels.slice(0, first, last)).sum().item<int64_t>();
  }
  return static_cast<double>(hits) / static_cast<double>(n);
}

}  // namespace onestep
