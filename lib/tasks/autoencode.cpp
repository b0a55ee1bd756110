// SPDX-License-Identifier: Apache-2.0
#include "tasks/autoencode.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include "io/log.h"
#include "io/numerical_error.h"
#include "kernels/philox.h"
#include "losses/gaussian_kl.h"
#include "noise/purpose.h"
#include "samplers/pictures.h"
#include "samplers/sheet.h"
#include "tasks/learn.h"

namespace onestep {
namespace {

constexpr int64_t kPass = 64;        // images a pass without gradients
constexpr int64_t kShownInARow = 4;  // pictures, each beside what becomes of it

/// What learns.
struct AutoencodeNetworks {
  Codec codec;  ///< unscaled
  std::optional<PatchDiscriminator> discriminator;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    Codec::parameters(m.codec, visit);
    visit("discriminator", m.discriminator);
  }
};

/// The image at which the discriminator sets in.
double start_of(const AutoencodeConfig& config) {
  return config.adversarial ? 1000 * config.adversarial->start_kimg : 0;
}

struct AutoencodeTask {
  AutoencodeConfig config;
  RunConfig run;
  at::Device device;
  std::map<std::string, std::string> provenance;
  Dataset data;
  Workers workers;
  StepGraphs<StepStats> graphs;
  Trainee<AutoencodeNetworks> networks;
  Averages<AutoencodeNetworks> averages;
  at::Tensor scaling;  ///< float64 [2] on the CPU: factor and shift, measured at the end

  StepStats step(const Step& step) {
    const bool opposed = config.adversarial && static_cast<double>(step.nimg) >= start_of(config);
    return learn(
        networks, averages, workers, graphs, step, device, run.images,
        [this, opposed](const AutoencodeNetworks& now, const Batch& shard, const at::Tensor& images) {
          const LatentMoments latents = encode_moments(now.codec, images);
          const at::Tensor back = decode(now.codec, sample(latents, noise_for(shard, latents)));
          ShardLosses losses = losses_of(latents, images, back);
          if (opposed) oppose(losses, *now.discriminator, images, back);
          return losses;
        },
        opposed ? " opposed" : "");
  }

  ShardLosses losses_of(const LatentMoments& latents, const at::Tensor& images,
                        const at::Tensor& back) const {
    const auto pixels = static_cast<double>(images[0].numel());
    const at::Tensor error = back - images;
    const at::Tensor squared = error.square().flatten(1).mean(1), absolute = error.abs().flatten(1).mean(1);
    ShardLosses shards{config.squared * squared + config.absolute * absolute,
                       {{"squared", squared.detach()}, {"absolute", absolute.detach()}}};
    if (!latents.std.defined()) return shards;
    const at::Tensor kl = gaussian_kl(latents.mean, latents.std);
    shards.losses = shards.losses + config.kl_weight / pixels * kl;
    shards.others.emplace_back("kl", kl.detach());
    return shards;
  }

  /// The autoencoder's term goes through the discriminator as it is; that one's loss stops at its pictures.
  void oppose(ShardLosses& shards, const PatchDiscriminator& discriminator, const at::Tensor& images,
              const at::Tensor& back) const {
    const OpponentConfig& opponent = *config.adversarial;
    const at::Tensor taken = generator_loss(opponent.loss, forward(detached(discriminator), back));
    const at::Tensor both = forward(discriminator, at::cat({images, back.detach()}));
    const std::vector<at::Tensor> logits = both.chunk(2);
    shards.losses = shards.losses + opponent.weight * taken;
    shards.others.emplace_back("adv", taken.detach());
    shards.opponents = discriminator_loss(opponent.loss, logits[0], logits[1]);
  }

  at::Tensor noise_for(const Batch& shard, const LatentMoments& latents) const {
    if (!latents.std.defined()) return {};
    return kernels::philox_normal(run.seed, word(Purpose::noise), shard.indices,
                                  latents.mean.sizes().slice(1), device);
  }

  /// The moments of all latents of the training set become those of a unit normal.
  void measure_scaling() {
    const c10::NoGradGuard no_grad;
    const Codec& network = averages.front().module.codec;
    const int64_t n = data.images.size(0), passes = (n + kPass - 1) / kPass;
    std::vector<at::Tensor> sums(passes);  // of each pass, so that their order is no matter of threads
    int64_t numbers = 0;
    workers.for_each(passes, [&](int64_t pass, int64_t) {
      const c10::NoGradGuard none_here_either;
      const int64_t first = pass * kPass;
      const at::Tensor images = to_float(data.images.narrow(0, first, std::min(kPass, n - first)));
      const LatentMoments latents = encode_moments(network, images.to(device));
      const at::Tensor mean = latents.mean.to(at::kDouble);
      at::Tensor squares = mean.square().sum();
      if (latents.std.defined()) squares = squares + latents.std.to(at::kDouble).square().sum();
      sums[pass] = at::stack({mean.sum(), squares}).cpu();
      if (pass == 0) numbers = latents.mean[0].numel();
    });
    const at::Tensor moments = at::stack(sums).sum(0) / static_cast<double>(n * numbers);
    const double mean = moments[0].item<double>(), variance = moments[1].item<double>() - mean * mean;
    if (!std::isfinite(variance)) throw NumericalError("the autoencoder's latents are not finite");
    if (!(variance > 0)) throw NumericalError("the autoencoder's latents are constant on the training set");
    scaling.copy_(at::tensor({1 / std::sqrt(variance), mean}, at::kDouble));
  }

  /// Rows of pictures, each beside what the autoencoder makes of it.
  at::Tensor snapshot() const {
    const c10::NoGradGuard no_grad;
    const int64_t count = std::min<int64_t>(data.images.size(0), 8 * kShownInARow);
    const at::Tensor pictures = to_float(data.images.narrow(0, 0, count)).to(device);
    const Codec& network = averages.front().module.codec;
    return sheet_of(at::stack({pictures, decode(network, encode(network, pictures))}, 1).flatten(0, 1).cpu());
  }

  io::TensorFile model(const Average<AutoencodeNetworks>& average) const {
    const auto* numbers = scaling.const_data_ptr<double>();
    return model_file(with_latent_scaling(average.module.codec, {numbers[0], numbers[1]}), provenance);
  }
};

AutoencodeNetworks make_networks(const AutoencodeConfig& config, const TaskContext& context) {
  const auto seed = static_cast<uint64_t>(context.run.seed);
  AutoencodeNetworks networks{
      .codec = with_latent_scaling(make_codec(config.network, seed, drawn_on(context)), {})};
  if (config.adversarial)
    networks.discriminator = make_patch_discriminator(config.adversarial->network,
                                                      data_shape(context).channels, seed, drawn_on(context));
  return clone(networks, context.device);
}

/// `start`: the image at which the discriminator sets in.
TaskCost cost_of(const AutoencodeNetworks& networks, const TaskContext& context, int64_t workers,
                 size_t averages, double start) {
  const ImageShape pictures = data_shape(context);
  const PassCost there = encode_cost(networks.codec, pictures), back = decode_cost(networks.codec, pictures);
  TaskCost cost = training_cost("autoencoder", parameter_count(networks.codec),
                                {there.macs + back.macs, there.activations + back.activations}, context.run,
                                workers, averages);
  if (!networks.discriminator) return cost;
  // It learns from two pictures of each, and gives the autoencoder a gradient by a third pass, there and
  // back.
  const PassCost one = pass_cost(*networks.discriminator, pictures);
  const TaskCost against = training_cost("discriminator", parameter_count(*networks.discriminator),
                                         {one.macs, 3 * one.activations}, context.run, workers, averages);
  const double share = std::max(0.0, 1 - start / static_cast<double>(context.run.images));
  cost.parameters.push_back(against.parameters.front());
  cost.macs_per_image += share * (2 * against.macs_per_image + 2 * static_cast<double>(one.macs));
  cost.bytes += against.bytes;
  return cost;
}

/// Throws config::ConfigError where the autoencoder doesn't take and give the data's pictures.
void require_fit(const AutoencoderConfig& network, const TaskContext& context) {
  const ImageShape pictures = data_shape(context);
  const auto refuse = [](const std::string& why) { throw config::ConfigError("task.network: " + why); };
  const int64_t out = std::visit([](const auto& c) { return c.out_channels; }, network);
  if (out != pictures.channels)
    refuse(
        c10::str("out_channels is ", out, ", but the data's images have ", pictures.channels, " channels"));
  try {
    latent_shape(network, pictures);
  } catch (const c10::Error& error) {
    refuse(error.what_without_backtrace());
  }
}

}  // namespace

std::string AutoencodeConfig::problem() const {
  if (const std::string problem = problem_of(network); !problem.empty()) return "network: " + problem;
  if (squared == 0 && absolute == 0) return "squared and absolute are both 0: nothing would be learnt";
  return "";
}

Task make_autoencode_task(const AutoencodeConfig& config, const TaskContext& context) {
  require_fit(config.network, context);
  if (start_of(config) >= static_cast<double>(context.run.images) && !context.device.is_meta())
    io::log_warning(
        "task.adversarial.start_kimg: the run ends before the discriminator sets in, which does nothing");
  const int64_t workers = busy_workers(context.run, context.workers.count());
  auto networks = make_trainee(make_networks(config, context), config.optimizer,
                               {.workers = workers, .type = network_type(context.run)});
  auto averages = make_averages(config.ema, networks.module);
  const LatentScaling own = std::visit([](const auto& c) { return c.scaling; }, config.network);
  const LatentScaling start = config.unit_variance ? LatentScaling{} : own;
  auto self = std::make_shared<AutoencodeTask>(
      AutoencodeTask{.config = config,
                     .run = context.run,
                     .device = context.device,
                     .provenance = context.provenance,
                     .data = context.data,
                     .workers = context.workers,
                     .graphs = StepGraphs<StepStats>(context.graphs),
                     .networks = std::move(networks),
                     .averages = std::move(averages),
                     .scaling = at::tensor({start.scaling_factor, start.shift_factor}, at::kDouble)});
  Task task{.step = [self](const Step& step) { return self->step(step); },
            .model = [self] { return self->model(self->averages.front()); },
            .averages =
                [self] {
                  return models_of(self->averages, [&](const auto& average) { return self->model(average); });
                }};
  if (is_picture(data_shape(context))) task.snapshot = [self] { return self->snapshot(); };
  if (config.unit_variance) task.finish = [self](const Dataset&) { self->measure_scaling(); };
  append_state(task.state, "network", self->networks);
  append_state(task.state, "ema", self->averages);
  task.state.emplace_back("latent_scaling", self->scaling);
  task.device = context.device;
  task.restored = [self] { refresh(self->networks); };
  task.cost = cost_of(self->networks.module, context, workers, self->averages.size(), start_of(config));
  return task;
}

}  // namespace onestep
