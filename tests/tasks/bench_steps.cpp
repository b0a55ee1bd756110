// SPDX-License-Identifier: Apache-2.0
// bench_steps CONFIG.yaml [key=value …]: times whole training steps against the network passes that the
// method cannot do without, alternating, and prints medians: what is left is optimiser, EMA, losses, noise
// and data. Beside it: scripts/bench_torch.py.
#include <cstdio>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/ranks.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "config/config.h"
#include "data/loader.h"
#include "kernels/cuda_sync.h"
#include "networks/guidance.h"
#include "networks/head.h"
#include "tasks/train_config.h"

using namespace onestep;

namespace {

struct Passes {
  at::Tensor x, labels;
  at::Tensor sigma = at::full({x.size(0)}, 1.0f, x.options());
  at::Device device = x.device();

  static void train(Denoiser& network, const at::Tensor& x, const at::Tensor& sigma,
                    const at::Tensor& labels) {
    const at::Tensor denoised = denoise(network, x, sigma, Condition{labels});
    denoised.backward(at::ones_like(denoised));
  }

  std::function<void()> operator()(const DenoiseConfig& config) const {
    Denoiser network = clone(make_denoiser(config.denoiser, 0), device);
    flatten(network);
    return [network, *this]() mutable { train(network, x, sigma, labels); };
  }

  /// A one-step student with heads on the teacher's encoder, or none: what the two branches have in common,
  /// and what the expanded one needs beside it, the way back through D_p and D_q to their input.
  std::function<void()> operator()(const DistilConfig& config) const {
    const Denoiser teacher = load_denoiser(config.teacher.value(), device);
    Denoiser student = clone(teacher), fake = clone(teacher);
    flatten(student);
    flatten(fake);
    const bool expanded = std::holds_alternative<ExpandedConfig>(config.loss);
    const std::vector<std::string> taps =
        config.discriminator ? resolved(config.discriminator->taps, teacher, "task.discriminator.taps")
                             : std::vector<std::string>{};
    Heads heads = clone(make_heads(taps_named(taps, feature_taps(teacher)), 0), device);
    if (!taps.empty()) flatten(heads);
    return [=, *this]() mutable {
      train(student, x, sigma, labels);  // G(z) and its backward pass
      const bool adversarial = config.adversarial.has_value();
      const at::Tensor seen_x = x.detach().set_requires_grad(expanded || adversarial);
      const auto back = [&](const at::Tensor& value, bool keep) {
        value.sum().backward({}, keep, false, std::vector<at::Tensor>{seen_x});
      };
      const DenoiserOutput seen =
          forward_guided(teacher, seen_x, sigma, {.condition = {labels}}, 1, taps);  // D_p, features
      std::vector<at::Tensor> features;
      {
        const c10::AutoGradMode mode(expanded);
        const at::Tensor denoised = denoise(fake, seen_x, sigma, Condition{labels});  // D_q
        if (expanded) back(seen.denoised + denoised, adversarial);
      }
      if (adversarial) back(forward(heads, seen.features), false);
      for (const at::Tensor& feature : seen.features) features.push_back(feature.detach());
      train(fake, x, sigma, labels);
      if (taps.empty()) return;
      std::vector<at::Tensor> real;
      {
        const c10::NoGradGuard no_grad;
        real = forward(teacher, x, sigma, {.condition = {labels}}, {.taps = taps, .output = false}).features;
      }
      (forward(heads, real).sum() + forward(heads, features).sum()).backward();
    };
  }

  std::function<void()> operator()(const ClassifyConfig& config) const {
    Classifier network = clone(make_classifier(config.network, 0), device);
    flatten(network);
    return [network, *this]() mutable { classify(network, x).logits.sum().backward(); };
  }

  std::function<void()> operator()(const AutoencodeConfig& config) const {
    Codec network = clone(make_codec(config.network, 0), device);
    flatten(network);
    return [network, *this]() mutable { decode(network, encode(network, x)).sum().backward(); };
  }
};

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  bool tf32 = false, json = false, alone = false;
  int64_t steps = 1, repeats = 60;
  double seconds = 0;
  RankOptions ranks;
};

void run(const Options& options) {
  const Communicator ranks = join_ranks(options.ranks);
  auto config = config::read<TrainConfig>(config::load(options.config, options.overrides));
  const at::Device device = open_device(config.run.device, ranks.local_rank);
  connect_device(ranks, device);
  const Workers workers = use_workers(config.run.workers, config.run.threads, device);
  config.run.precision = use_precision("run.precision", config.run.precision, device);
  if (options.tf32) bench::allow_tf32(true);
  if (device.is_cuda()) kernels::autotune_convolutions(config.run.autotune);
  const Dataset data = load_dataset(config.data);
  Task task =
      make_task(config.task, {.run = config.run,
                              .device = device,
                              .data = data,
                              .provenance = {},
                              .workers = workers,
                              .ranks = ranks,
                              .graphs = config.run.graph && device.is_cuda() ? kernels::cuda_graphs(device)
                                                                             : kernels::GraphMaker()});
  int64_t nimg = 0;
  const auto plan = [&] { return plan_step(nimg, config.run.batch, shard_size(config.run), ranks); };
  const auto step = [&] {
    Step next = plan();
    next.read = [&](int64_t number) {
      const ShardRange range = range_of(next, number);
      return read_batch(data, config.run.seed, range.nimg, range.size, config.run.flip, !device.is_cpu());
    };
    task.step(next);
    nimg += next.size;
  };
  // Until every kind of step is recorded, of a cycle of up to five.
  for (int64_t i = 0; config.run.graph && i < 25; ++i) step();
  // The first of all steps chooses algorithms, fills the memory pool, and takes what memory a training takes:
  // the networks of the bare passes beside it would be too much.
  step();
  const std::optional<double> peak = bench::peak_mib(device);
  // The bare passes of as many shards as this rank has, shared by as many workers.
  const Batch first = read_batch(data, 0, 0, shard_size(config.run), false);
  const int64_t shards = plan().mine.count;
  std::vector<std::function<void()>> networks;
  for (int64_t worker = 0; worker < (options.alone ? 0 : workers.count()); ++worker)
    networks.push_back(std::visit(
        Passes{to_float(first.images).to(device), first.condition.classes.to(device)}, config.task));
  const auto passes = [&] { workers.for_each(shards, [&](int64_t, int64_t worker) { networks[worker](); }); };
  const auto times = [&](const auto& work) {
    return [&] {
      for (int64_t i = 0; i < options.steps; ++i) work();
    };
  };
  bench::Timed whole, alone;
  std::vector<double> communication;
  double start = bench::now();
  for (int64_t repeat = 0; repeat <= options.repeats; ++repeat) {
    if (repeat == 1) start = bench::now();
    if (repeat > 3 && options.seconds > 0 && broadcast(ranks, bench::now() - start > options.seconds) != 0)
      break;
    barrier(ranks);
    if (repeat == 1) whole = alone = {};  // the first of all passes takes its memory, too
    const double before = seconds_in_communication(ranks);
    whole(device, times(step));
    const double sent = seconds_in_communication(ranks) - before;
    if (repeat > 0) communication.push_back(sent / whole.wall.back());
    if (!options.alone) alone(device, times(passes));
  }
  barrier(ranks);
  if (!is_first(ranks)) return;
  const auto steps = static_cast<double>(options.steps), images = static_cast<double>(config.run.batch);
  const double whole_step = bench::median(whole.wall) / steps,
               pass = options.alone ? whole_step : bench::median(alone.wall) / steps,
               share = bench::median(communication);
  if (!options.json) {
    std::printf(
        "ranks %d  workers %lld x %lld  step %.2f ms (%.0f images/s)  network passes %.2f ms  outside them "
        "%.1f %%, of which communication %.1f %%\n",
        ranks.size, static_cast<long long>(workers.count()), static_cast<long long>(workers.intra_op()),
        1e3 * whole_step, images / whole_step, 1e3 * pass, 100 * (1 - pass / whole_step), 100 * share);
    return;
  }
  auto line = bench::figures<nlohmann::ordered_json>("step", images * steps, whole);
  line.update({{"gflop", 2e-9 * task.cost.macs_per_image * images * steps},
               {"config", options.config},
               {"device", config.run.device},
               {"batch", config.run.batch},
               {"workers", workers.count()},
               {"threads", workers.intra_op()},
               {"tf32", options.tf32},
               {"precision", config.run.precision},
               {"graph", config.run.graph},
               {"parameters", task.cost.parameters.front().second},
               {"ranks", ranks.size},
               {"images_per_sec", images / whole_step},
               {"ms_per_step", 1e3 * whole_step},
               {"communication_share", share}});
  if (!options.alone) line["outside_passes"] = 1 - pass / whole_step;
  if (peak) line["peak_mib"] = *peak;
  if (device.is_cuda()) line["syncs_per_step"] = kernels::cuda_syncs(step).size();
  std::printf("%s\n", line.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times training steps, and the network passes in them.", "bench_steps");
  Options options;
  app.add_option("config", options.config, "experiment, YAML")->required();
  app.add_option("overrides", options.overrides, "key.path=value, over the file's values");
  app.add_flag("--tf32", options.tf32, "let a GPU round what products read to TF32");
  app.add_option("--steps", options.steps, "steps that are timed together")->check(CLI::PositiveNumber);
  app.add_option("--repeats", options.repeats, "times that this is done; the median counts")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds,
                 "stop after about so long, with three repeats at least; 0: never");
  app.add_flag("--alone", options.alone, "without the bare network passes in turn with the steps");
  add_rank_options(app, options.ranks);
  app.add_flag("--json", options.json, "print one line of JSON");
  return run_app(app, argc, argv, [&] { run(options); });
}
