// SPDX-License-Identifier: Apache-2.0
#include "tasks/denoise.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "data/augmentation.h"
#include "kernels/philox.h"
#include "losses/denoising.h"
#include "losses/finite.h"
#include "networks/cost.h"
#include "samplers/model_data.h"
#include "samplers/sheet.h"
#include "training/trainee.h"

namespace onestep {
namespace {

struct DenoiseTask {
  DenoiseConfig config;
  RunConfig run;
  at::Device device;
  std::map<std::string, std::string> provenance;
  Dataset data;
  Trainee<Denoiser> student;
  Average<Denoiser> average;

  StepStats step(const Batch& batch) {
    const int64_t nimg = batch.indices[0].item<int64_t>();
    const int64_t size = batch.images.size(0);
    StepStats stats;
    at::Tensor any;
    for (const Batch& some : split(batch, run.micro_batch)) {
      Batch part = to_device(some, device);
      at::Tensor finite = finite_samples(part.images);
      part.images = kept(part.images, finite);
      const at::Tensor losses = losses_of(part);
      finite = finite & finite_samples(losses);
      (kept(losses, finite).sum() / static_cast<double>(size)).backward();
      stats.add("loss", losses, finite);
      any = any.defined() ? any | finite.any() : finite.any();
    }
    const at::Tensor norm = update(student, nimg, size, run.images, any);
    stats.add_update("", norm, student.adam.skipped);
    ema_step(config.ema, average.values, student.flat.values, nimg + size, size);
    return stats;
  }

  /// The weighted error of every image of a part on the device, [n], a mean over pixels.
  at::Tensor losses_of(const Batch& part) {
    const auto [y, augment_labels] = augment(part.images, config.augmentation, run.seed, part.indices);
    const at::Tensor sigma = draw_sigma(config.sigma, run.seed, Purpose::sigma, part.indices, device);
    const at::Tensor noise =
        kernels::philox_normal(run.seed, word(Purpose::noise), part.indices, y.sizes().slice(1), device);
    DropoutStream masks{.rate = dropout_rate(config.denoiser.network),
                        .seed = static_cast<uint64_t>(run.seed),
                        .indices = part.indices};
    const at::Tensor denoised =
        denoise(student.module, y + sigma.reshape({-1, 1, 1, 1}) * noise, sigma,
                {.labels = training_labels(part), .augment_labels = augment_labels, .masks = &masks});
    const at::Tensor weight =
        loss_weight(config.weighting, sigma, config.denoiser.preconditioning.sigma_data);
    return denoising_loss(denoised, y, weight) / static_cast<double>(y[0].numel());
  }

  /// One-hot rows, some of them blanked.
  at::Tensor training_labels(const Batch& part) {
    const double hidden = label_dropout_rate(config.denoiser.network);
    const at::Tensor labels = labels_for(student.module, part.labels);
    if (!labels.defined() || hidden == 0) return labels;
    const at::Tensor u =
        kernels::philox_uniform(run.seed, word(Purpose::label_dropout), part.indices, {1}, device);
    return labels * (u >= hidden).to(labels.scalar_type());
  }

  at::Tensor snapshot() {
    return draw_sheet(average.module, {.solver = "heun", .steps = config.snapshot_steps},
                      trained_classes(average.module, class_counts(data)));
  }

  io::TensorFile model() {
    auto metadata = provenance;
    metadata[kSamplingKey] = config::to_json(SamplerConfig{.solver = "heun", .steps = 18}).dump();
    return model_file(average.module, std::move(metadata));
  }
};

}  // namespace

Task make_denoise_task(const DenoiseConfig& config, const TaskContext& context) {
  if (std::holds_alternative<GaussianMixtureConfig>(config.denoiser.network)) {
    throw config::ConfigError("task.network: a gaussian_mixture is exact; there is nothing to train");
  }
  auto student =
      make_trainee(clone(make_denoiser(config.denoiser, context.run.seed, drawn_on(context)), context.device),
                   config.optimizer);
  require_fit(context, "task.network", image_shape(student.module), label_dim(student.module));
  if (config.augmentation > 0) {
    const ImageShape shape = image_shape(student.module);
    require_augmentable("task.augmentation", augment_dim(student.module), shape.height, shape.width);
  }
  auto average = make_average(student.module);
  auto self = std::make_shared<DenoiseTask>(DenoiseTask{.config = config,
                                                        .run = context.run,
                                                        .device = context.device,
                                                        .provenance = context.provenance,
                                                        .data = context.data,
                                                        .student = std::move(student),
                                                        .average = std::move(average)});
  Task task{.step = [self](const Batch& batch) { return self->step(batch); },
            .model = [self] { return self->model(); }};
  const ImageShape shape = image_shape(self->student.module);
  const bool points = shape.height * shape.width == 1;  // of which a sheet would show nothing
  if (!points) task.snapshot = [self] { return self->snapshot(); };
  append_state(task.state, "network", self->student);
  task.state.emplace_back("ema", self->average.values);
  const PassCost pass = pass_cost(self->student.module);
  const int64_t parameters = parameter_count(self->student.module);
  task.cost = {.parameters = {{"network", parameters}},
               .macs_per_image = kTrainingPasses * static_cast<double>(pass.macs),
               .bytes = training_bytes(parameters) + 4.0 * static_cast<double>(parameters) +
                        4.0 * static_cast<double>(pass.activations * pass_size(context.run))};
  return task;
}

}  // namespace onestep
