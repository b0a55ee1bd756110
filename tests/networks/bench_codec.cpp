// SPDX-License-Identifier: Apache-2.0
// bench_codec [kl|tiny]: encoding and decoding by an autoencoder of Stable Diffusion's size with random
// weights, without gradients. Medians over the repeats. Beside it: scripts/bench_codec.py.
#include <cstdio>
#include <map>
#include <string>

#include <ATen/ops/randn.h>
#include <CLI/CLI.hpp>
#include <c10/core/GradMode.h>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "bench.h"
#include "networks/codec.h"
#include "networks/precision.h"

using namespace onestep;

namespace {

const std::map<std::string, AutoencoderConfig> kAutoencoders = {{"kl", AutoencoderKlConfig()},
                                                                {"tiny", AutoencoderTinyConfig()}};

struct Options {
  std::string kind = "kl", device = "cpu", precision = "float32";
  int64_t threads = 1, batch = 1, side = 256, repeats = 5;
};

void report(const char* what, const bench::Timed& timed, int64_t macs) {
  std::printf("%s: %.1f ms (CPU %.1f), %.0f GFLOP/s\n", what, 1e3 * bench::median(timed.wall),
              1e3 * bench::median(timed.cpu), 2e-9 * static_cast<double>(macs) / bench::median(timed.cpu));
}

void run(Options o) {
  use_threads(o.threads);
  const at::Device device = open_device(o.device);
  o.precision = use_precision("--precision", o.precision, device);
  Codec codec = clone(make_codec(kAutoencoders.at(o.kind), 0), device, network_type(o.precision));
  flatten(codec, /*trained=*/false);
  const c10::NoGradGuard no_grad;
  const ImageShape shape{3, o.side, o.side};
  const at::Tensor images =
      at::randn({o.batch, 3, o.side, o.side}, at::TensorOptions(at::kFloat).device(device));
  const at::Tensor latents = encode_moments(codec, images).mean;
  decode(codec, latents);
  bench::Timed encoding, decoding;
  for (int64_t repeat = 0; repeat < o.repeats; ++repeat) {
    encoding(device, [&] { encode_moments(codec, images); });
    decoding(device, [&] { decode(codec, latents); });
  }
  report("encode", encoding, o.batch * encode_cost(codec, shape).macs);
  report("decode", decoding, o.batch * decode_cost(codec, shape).macs);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times the passes of an autoencoder.", "bench_codec");
  Options o;
  app.add_option("kind", o.kind, "kl or tiny")->capture_default_str()->check(CLI::IsMember({"kl", "tiny"}));
  app.add_option("--side", o.side, "height and width of the images")->capture_default_str();
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads")->capture_default_str();
  app.add_option("--batch", o.batch, "images at once")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--repeats", o.repeats, "times that each is done; the median counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--precision", o.precision, "what the network computes in")
      ->capture_default_str()
      ->check(CLI::IsMember(precision_names()));
  return run_app(app, argc, argv, [&] { run(o); });
}
