// SPDX-License-Identifier: Apache-2.0
#include "tasks/denoise.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "data/augmentation.h"
#include "kernels/philox.h"
#include "losses/denoising.h"
#include "networks/cost.h"
#include "samplers/model_data.h"
#include "samplers/sheet.h"
#include "tasks/learn.h"

namespace onestep {
namespace {

struct DenoiseTask {
  DenoiseConfig config;
  RunConfig run;
  at::Device device;
  SigmaSource noise_levels;
  std::map<std::string, std::string> provenance;
  Dataset data;
  Codec codec;
  Workers workers;
  StepGraphs<StepStats> graphs;
  Trainee<Denoiser> student;
  Averages<Denoiser> averages;

  StepStats step(const Step& step) {
    return learn(student, averages, workers, graphs, step, device, run.images,
                 [this](const Denoiser& network, const Batch& shard, const at::Tensor& images) {
                   return ShardLosses{losses_of(network, shard, images), {}};
                 });
  }

  /// The weighted error of every image of a shard on the device, [n], a mean over pixels.
  at::Tensor losses_of(const Denoiser& network, const Batch& shard, const at::Tensor& images) const {
    const auto [y, augment_labels] = augment(images, config.augmentation, run.seed, shard.indices);
    const at::Tensor sigma = draw_sigma(noise_levels, run.seed, Purpose::sigma, shard.indices);
    const at::Tensor noise =
        kernels::philox_normal(run.seed, word(Purpose::noise), shard.indices, y.sizes().slice(1), device);
    DropoutStream masks{.rate = dropout_rate(config.denoiser.network),
                        .seed = static_cast<uint64_t>(run.seed),
                        .indices = shard.indices};
    const at::Tensor denoised = denoise(
        network, y + sigma.reshape({-1, 1, 1, 1}) * noise, sigma,
        {.condition = training_condition(network, shard), .augment_labels = augment_labels, .masks = &masks});
    const at::Tensor weight = loss_weight(config.weighting, sigma, config.denoiser.preconditioning);
    return denoising_loss(denoised, y, weight) / static_cast<double>(y[0].numel());
  }

  /// Some of it hidden.
  Condition training_condition(const Denoiser& network, const Batch& shard) const {
    const double hidden = label_dropout_rate(config.denoiser.network);
    const Condition known = condition_for(network, shard.condition);
    if (!known.defined() || hidden == 0) return known;
    const at::Tensor u =
        kernels::philox_uniform(run.seed, word(Purpose::label_dropout), shard.indices, {}, device);
    return where(u < hidden, null_condition(network, known), known);
  }

  at::Tensor snapshot() {
    const Denoiser& model = averages.front().module;
    return draw_sheet(model, {.solver = "heun", .steps = config.snapshot_steps},
                      trained_classes(model, class_counts(data)), workers, codec);
  }

  io::TensorFile model(const Average<Denoiser>& average) const {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(SamplerConfig{.solver = "heun", .steps = 18}).dump();
    return model_file(average.module, std::move(metadata));
  }
};

}  // namespace

Task make_denoise_task(const DenoiseConfig& config, const TaskContext& context) {
  const int64_t workers = busy_workers(context.run, context.workers.count());
  const at::ScalarType type = network_type(context.run);
  auto student =
      make_trainee(clone(make_denoiser(config.denoiser, context.run.seed, drawn_on(context)), context.device),
                   config.optimizer, {.workers = workers, .type = type});
  require_fit(context, "task.network", image_shape(student.module), label_dim(student.module));
  if (config.augmentation > 0) {
    const ImageShape shape = image_shape(student.module);
    require_augmentable("task.augmentation", augment_dim(student.module), shape.height, shape.width);
  }
  auto averages = make_averages(config.ema, student.module);
  auto self = std::make_shared<DenoiseTask>(
      DenoiseTask{.config = config,
                  .run = context.run,
                  .device = context.device,
                  .noise_levels = make_sigma_source(config.sigma, context.device),
                  .provenance = context.provenance,
                  .data = context.data,
                  .codec = context.codec,
                  .workers = context.workers,
                  .graphs = StepGraphs<StepStats>(context.graphs),
                  .student = std::move(student),
                  .averages = std::move(averages)});
  Task task{.step = [self](const Step& step) { return self->step(step); },
            .model = [self] { return self->model(self->averages.front()); },
            .averages =
                [self] {
                  return models_of(self->averages, [&](const auto& average) { return self->model(average); });
                }};
  if (has_pictures(context)) task.snapshot = [self] { return self->snapshot(); };
  append_state(task.state, "network", self->student);
  append_state(task.state, "ema", self->averages);
  task.device = context.device;
  task.restored = [self] { refresh(self->student); };
  task.cost = training_cost("network", parameter_count(self->student.module), pass_cost(self->student.module),
                            context.run, workers, self->averages.size());
  return task;
}

}  // namespace onestep
