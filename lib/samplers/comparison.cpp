// SPDX-License-Identifier: Apache-2.0
#include "samplers/comparison.h"

#include <chrono>
#include <sstream>

#include <ATen/TensorOperators.h>

#include "config/config.h"
#include "config/merge.h"

namespace onestep {
namespace {

SamplerConfig sampler_with(const SamplerConfig& base, const std::string& solver, int64_t steps) {
  config::Partial<SamplerConfig> changes;
  config::apply_override(changes.changes, "solver=" + config::flow_text(config::encode(solver)));
  config::apply_override(changes.changes, "steps=" + std::to_string(steps));
  return with_changes(base, changes);
}

ComparedRun run(const Denoiser& denoiser, const SamplerConfig& sampler, const SampleRequest& request,
                int64_t batch, const SampleWatch& watch, const Workers& workers) {
  const auto start = std::chrono::steady_clock::now();
  ComparedRun run{.sampler = sampler, .result = generate(denoiser, sampler, request, batch, watch, workers)};
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

std::string csv_line(const ComparedRun& run) {
  const Solver solver = solver_of(run.sampler);
  std::ostringstream line;
  line.precision(6);
  line << solver_name(solver) << ',' << sigmas_of(run.sampler).size() - 1 << ',' << run.result.nfe << ','
       << run.seconds << ',' << run.magnitude_score << ',';
  if (run.distance) line << *run.distance;
  line << '\n';
  return line.str();
}

}  // namespace

Comparison compare(const Denoiser& denoiser, const SamplerConfig& base,
                   const std::vector<std::string>& solvers, const std::vector<int64_t>& steps,
                   int64_t reference_steps, const SampleRequest& request,
                   const std::optional<ChannelStatistics>& data, int64_t batch, const SampleWatch& watch,
                   const Workers& workers) {
  Comparison comparison;
  const SamplerConfig fine = sampler_with(base, "heun", reference_steps);
  std::vector<std::vector<SamplerConfig>> samplers;  // all of them first: a misspelt name ends it at once
  for (const std::string& solver : solvers) {
    samplers.emplace_back();
    for (const int64_t n : steps) samplers.back().push_back(sampler_with(base, solver, n));
  }

  int64_t made = 0;
  const auto draw = [&](const SamplerConfig& sampler) {
    const SampleWatch all = [&](int64_t done) {
      if (watch) watch(made + done);
    };
    ComparedRun drawn = run(denoiser, sampler, request, batch, all, workers);
    made += static_cast<int64_t>(request.seeds.size());
    return drawn;
  };
  comparison.reference = draw(fine);
  const at::Tensor truth = comparison.reference.result.samples.to(at::kDouble);
  const ChannelStatistics statistics = data ? *data : channel_statistics(truth);
  const auto score = [&](ComparedRun& run) {
    const at::Tensor samples = run.result.samples.to(at::kDouble);
    run.magnitude_score = magnitude_scores(samples, statistics).mean().item<double>();
    if (!is_stochastic(solver_of(run.sampler)))
      run.distance = (samples - truth).square().mean().sqrt().item<double>();
  };
  score(comparison.reference);
  for (const auto& row : samplers) {
    comparison.runs.emplace_back();
    for (const SamplerConfig& sampler : row) {
      comparison.runs.back().push_back(draw(sampler));
      score(comparison.runs.back().back());
    }
  }
  return comparison;
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text = "solver,steps,nfe,seconds,magnitude_score,distance\n";
  for (const auto& row : comparison.runs)
    for (const ComparedRun& run : row) text += csv_line(run);
  return text + csv_line(comparison.reference);
}

}  // namespace onestep
