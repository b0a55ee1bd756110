// SPDX-License-Identifier: Apache-2.0
// bench_networks CONFIG: forward, and forward and backward passes of a raw network with weights of its own
// that are not zero. Medians over the repeats. Beside it: scripts/bench_torch.py --work forward and backward.
#include <cstdio>
#include <string>
#include <tuple>
#include <variant>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <CLI/CLI.hpp>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "config/config.h"
#include "networks/network_list.h"
#include "networks/precision.h"

using namespace onestep;

namespace {

struct NetworkFile {
  NetworkConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("network", c.network, "the raw network");
  }
};

struct Options {
  std::string config, device = "cpu", precision = "float32";
  std::vector<std::string> overrides;
  int64_t threads = 1, batch = 4, repeats = 5;
  bool json = false;
};

template <RawNetwork Net>
void run(Net network, at::Device device, const Options& o) {
  network = clone(network, device);
  // Zeros would make denormal numbers and empty gradients.
  for_each_tensor(network, [](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) tensor = tensor + 0.02 * at::randn(tensor.sizes(), tensor.options());
  });
  const FlatParameters flat = flatten(network);
  attach(network, {flat.values.to(network_type(o.precision)), flat.gradients});
  const auto [channels, height, width] = image_shape(network.config);
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const at::Tensor x = at::randn({o.batch, channels, height, width}, options);
  Conditioning conditioning{.noise_labels = at::full({o.batch}, 0.3, options)};
  if (const int64_t classes = label_dim(network.config); classes > 0) {
    conditioning.condition.classes = at::zeros({o.batch, classes}, options);
    for (int64_t i = 0; i < o.batch; ++i) conditioning.condition.classes[i][i % classes] = 1;
  }
  const auto forwards = [&] {
    const c10::NoGradGuard no_grad;
    forward(network, x, conditioning, {});
  };
  const auto backwards = [&] {
    const at::Tensor output = forward(network, x, conditioning, {}).output;
    output.backward(output.detach());
  };
  bench::Timed one, both;
  forwards();
  backwards();
  for (int64_t repeat = 0; repeat < o.repeats; ++repeat) {
    one(device, forwards);
    both(device, backwards);
  }
  const double gmacs = static_cast<double>(pass_cost(network).macs * o.batch) / 1e9;
  if (!o.json) {
    std::printf("%.1f GMAC: forward %.1f ms (CPU %.1f), forward and backward %.1f ms (CPU %.1f)\n", gmacs,
                1e3 * bench::median(one.wall), 1e3 * bench::median(one.cpu), 1e3 * bench::median(both.wall),
                1e3 * bench::median(both.cpu));
    return;
  }
  // Two operations a multiply-accumulate; a backward pass has twice those of a forward one.
  for (const auto& [what, timed, passes] : {std::tuple{"forward", &one, 1}, {"backward", &both, 3}}) {
    auto line = bench::figures<nlohmann::ordered_json>(what, static_cast<double>(o.batch), *timed);
    line["gflop"] = 2 * gmacs * passes;
    line["config"] = o.config;
    line["device"] = o.device;
    line["threads"] = o.threads;
    line["precision"] = o.precision;
    if (const auto peak = bench::peak_mib(device)) line["peak_mib"] = *peak;
    std::printf("%s\n", line.dump().c_str());
  }
}

void run(Options o) {
  use_threads(o.threads);
  const at::Device device = open_device(o.device);
  o.precision = use_precision("--precision", o.precision, device);
  const auto file = config::read<NetworkFile>(config::load(o.config, o.overrides));
  std::visit([&](const auto& config) { run(make_network(config, 0, at::kCPU), device, o); }, file.network);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times the passes of a raw network.", "bench_networks");
  Options o;
  app.add_option("config", o.config, "file with the key network, YAML")->required();
  app.add_option("overrides", o.overrides, "key.path=value, over the file's values");
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads")->capture_default_str();
  app.add_option("--batch", o.batch, "images at once")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--repeats", o.repeats, "times that each is done; the median counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--precision", o.precision, "what the network computes in")
      ->capture_default_str()
      ->check(CLI::IsMember(precision_names()));
  app.add_flag("--json", o.json, "print a line of JSON for each");
  return run_app(app, argc, argv, [&] { run(o); });
}
