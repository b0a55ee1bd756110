// SPDX-License-Identifier: Apache-2.0
#include "samplers/sample.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include "config/node.h"
#include "networks/fewest_rows.h"
#include "networks/guidance.h"
#include "samplers/denoise_wrappers.h"
#include "samplers/integrate.h"
#include "samplers/model_data.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

/// Where the network lives, and the type of its images: what it computes in, float32 at least.
at::TensorOptions options_of(const Denoiser& denoiser) {
  at::TensorOptions options;
  for_each_tensor(const_cast<Denoiser&>(denoiser), [&](const std::string&, const at::Tensor& tensor, bool) {
    const at::ScalarType type = tensor.scalar_type();
    if (at::isFloatingType(type))
      options = tensor.options().dtype(c10::promoteTypes(type, at::kFloat)).requires_grad(false);
  });
  return options;
}

/// One-hot rows; undefined without classes.
Condition condition_of(const std::vector<int64_t>& classes, int64_t label_dim, at::TensorOptions options) {
  if (classes.empty()) return {};
  at::Tensor rows = at::zeros({static_cast<int64_t>(classes.size()), label_dim}, at::kFloat);
  for (size_t i = 0; i < classes.size(); ++i) rows.data_ptr<float>()[i * label_dim + classes[i]] = 1;
  return {.classes = rows.to(options)};
}

/// How many rows a small network gets at least, so that its images are the same in every batch. For a large
/// one that could be sixteen times the work: its images differ in the last bits of a float where fewer are
/// asked for, at once or as the batch.
int64_t fewest_rows(const Denoiser& denoiser, at::Device device) {
  constexpr int64_t kSmallNetwork = 5'000'000;
  return device.is_cpu() && parameter_count(denoiser) <= kSmallNetwork ? kFewestRows : 1;
}

std::vector<int64_t> classes_of(const Denoiser& denoiser, const SampleRequest& request) {
  if (request.classes.empty()) {
    if (label_dim(denoiser) == 0) return {};
    return classes_from_seeds(request.seeds,
                              request.among.empty() ? trained_classes(denoiser) : request.among);
  }
  TORCH_CHECK(request.classes.size() == request.seeds.size(), "generate: ", request.classes.size(),
              " classes for ", request.seeds.size(), " samples");
  for (const int64_t c : request.classes) {
    const std::string problem = class_problem(denoiser, c);
    if (!problem.empty()) throw config::ConfigError(problem);
  }
  return request.classes;
}

template <class T>
std::vector<T> slice(const std::vector<T>& all, size_t begin, size_t end) {
  if (all.empty()) return {};
  return {all.begin() + begin, all.begin() + end};
}

/// One network pass over a batch; guided in one of twice the batch.
class Network {
 public:
  Network(const Denoiser& denoiser, const std::vector<int64_t>& classes)
      : denoiser_(denoiser),
        options_(options_of(denoiser)),
        fewest_(fewest_rows(denoiser, options_.device())),
        condition_(map_rows(condition_of(classes, label_dim(denoiser), options_),
                            [&](const at::Tensor& rows) { return padded(rows, fewest_); })) {}

  Denoise guided(const Guidance& guidance) const {
    return [*this, guidance](const at::Tensor& x, double sigma) {
      return forward_guided(denoiser_, padded(x.to(options_), fewest_), at::scalar_tensor(sigma, options_),
                            {.condition = condition_}, guidance)
          .denoised.slice(0, 0, x.size(0));
    };
  }

 private:
  Denoiser denoiser_;
  at::TensorOptions options_;
  int64_t fewest_;
  Condition condition_;
};

/// D as the solver sees it: of the network, guided, clipped.
Denoise denoise_of(const Denoiser& denoiser, const SamplerConfig& config,
                   const std::optional<Denoiser>& guide, const std::vector<int64_t>& classes) {
  const Network network(denoiser, classes);
  Denoise d = network.guided(1);
  if (config.guidance != 1) {
    d = within(guide ? autoguided(d, Network(*guide, classes).guided(1), config.guidance)
                     : network.guided({config.guidance, config.guidance_channels}),
               d, config.guidance_min, config.guidance_max.value_or(std::numeric_limits<double>::infinity()));
  }
  if (config.threshold == "static") return clipped(std::move(d));
  if (config.threshold == "dynamic") return clipped_dynamically(std::move(d), config.threshold_percentile);
  return d;
}

}  // namespace

std::string class_problem(const Denoiser& denoiser, int64_t c) {
  const int64_t classes = label_dim(denoiser);
  if (classes == 0) return "class " + std::to_string(c) + ": the model is unconditional";
  if (c >= 0 && c < classes) return "";
  return "class " + std::to_string(c) + ": the model has classes 0 to " + std::to_string(classes - 1);
}

std::string guidance_problem(const Denoiser& denoiser, const SamplerConfig& config,
                             const std::optional<Denoiser>& guide) {
  if (guide) {
    if (config.guidance == 1) return "a guide model is of no use with guidance 1";
    if (config.guidance_channels > 0)
      return "guidance_channels is of guidance without class, not of a guide model";
    if (!(image_shape(*guide) == image_shape(denoiser)) || label_dim(*guide) != label_dim(denoiser))
      return "the guide model must have the model's image shape and classes";
    return "";
  }
  if (config.guidance != 1 && label_dim(denoiser) == 0)
    return "guidance needs a class-conditional model, or a guide model";
  return "";
}

SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config, const SampleRequest& request,
                      int64_t batch, const SampleWatch& watch, const Workers& workers) {
  TORCH_CHECK(batch >= 1, "generate: batch must be at least 1, got ", batch);
  for (const std::string& problem : {config.problem(), guidance_problem(denoiser, config, request.guide)})
    if (!problem.empty()) throw config::ConfigError(problem);
  const c10::NoGradGuard no_grad;
  const Solver solver = solver_of(config);
  const auto [channels, height, width] = image_shape(denoiser);
  const std::vector<int64_t> shape{channels, height, width};
  const at::TensorOptions network = options_of(denoiser), state = network.dtype(at::kDouble);
  const auto on_cpu = network.device(at::kCPU);
  const size_t count = request.seeds.size();
  if (request.latents.defined()) {
    TORCH_CHECK(request.latents.dim() == 4 && request.latents.sizes().slice(1) == at::IntArrayRef(shape) &&
                    request.latents.size(0) == static_cast<int64_t>(count),
                "generate: latents of shape ", request.latents.sizes(), " for ", count, " samples of shape ",
                at::IntArrayRef(shape));
  }
  std::vector<double> sigmas = sigmas_of(for_model(config, denoiser));
  const int64_t total = request.steps_done + static_cast<int64_t>(sigmas.size()) - 1;
  const bool cut = request.stop_after > 0 && request.stop_after < static_cast<int64_t>(sigmas.size()) - 1;
  if (cut) sigmas.resize(request.stop_after + 1);

  SampleResult result;
  result.classes = classes_of(denoiser, request);
  // Smaller passes where a worker would have none: a sample does not depend on the others in its pass, as
  // long as that has enough rows.
  const auto all = static_cast<int64_t>(count);
  const int64_t share = (all + workers.count() - 1) / workers.count();
  const int64_t size =
      std::min((std::max<int64_t>(share, 1) + kFewestRows - 1) / kFewestRows * kFewestRows, batch);
  // What is left goes with the last pass where it would have too few rows in one of its own.
  const bool few = size >= kFewestRows && all > size && all % size < kFewestRows;
  const int64_t passes = few ? all / size : (all + size - 1) / size;
  std::vector<at::Tensor> done(passes), strips(request.trajectory ? passes : 0);
  std::mutex watching;
  int64_t finished = 0;  // samples
  const auto tell = [&](int64_t more) {
    const std::lock_guard lock(watching);
    finished += more;
    if (watch) watch(finished);
  };
  workers.for_each(passes, [&](int64_t pass, int64_t) {
    const size_t begin = pass * size, end = pass + 1 == passes ? count : begin + size;
    const std::vector<int64_t> seeds = slice(request.seeds, begin, end);
    const at::Tensor z =
        request.latents.defined() ? request.latents.slice(0, begin, end) : latents_from_seeds(seeds, shape);
    const Denoise d = denoise_of(denoiser, config, request.guide, slice(result.classes, begin, end));
    int64_t nfe = 0;
    const Denoise count_and_denoise = [&](const at::Tensor& x, double sigma) {
      const at::Tensor denoised = d(x, sigma);
      ++nfe;
      tell(0);
      return denoised;
    };
    History history;
    history.step = request.steps_done;
    history.steps = total;
    history.noise = [&](int64_t step, int64_t draw) {
      return noise_from_seeds(seeds, step, draw, shape).to(state);
    };
    std::vector<at::Tensor> steps;
    StepWatch keep;
    if (request.trajectory)
      keep = [&](int64_t, double, const at::Tensor& denoised) { steps.push_back(denoised.to(at::kCPU)); };
    const at::Tensor start = start_scale(config.start, sigmas.front()) * z.to(state);
    const at::Tensor x = integrate(solver, count_and_denoise, start, sigmas, history, keep);
    // A run that ends in 0 is left as it is.
    done[pass] = cut                  ? (x / start_scale(config.start, sigmas.back())).to(at::kCPU)
                 : sigmas.back() == 0 ? x.to(on_cpu)
                                      : (x / end_scale(config.start, sigmas.back())).to(on_cpu);
    if (request.trajectory) strips[pass] = at::stack(steps, 1);
    if (pass == 0) result.nfe = nfe;
    tell(static_cast<int64_t>(end - begin));
  });
  std::vector<int64_t> empty{0, channels, height, width};
  result.samples = done.empty() ? at::zeros(empty, on_cpu) : at::cat(done);
  if (!strips.empty()) result.trajectory = at::cat(strips);
  return result;
}

SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config,
                      const std::vector<int64_t>& seeds, std::optional<int64_t> one_class, int64_t batch,
                      const SampleWatch& watch) {
  SampleRequest request{.seeds = seeds};
  if (one_class) request.classes.assign(seeds.size(), *one_class);
  return generate(denoiser, config, request, batch, watch);
}

}  // namespace onestep
