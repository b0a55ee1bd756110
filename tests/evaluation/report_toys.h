// SPDX-License-Identifier: Apache-2.0
// Evaluations of every kind that a report has to show, small enough to be made in a test.
#pragma once
#include <filesystem>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/zeros.h>

#include "config/config.h"
#include "evaluation/evaluate.h"
#include "evaluation/report.h"
#include "evaluation/toys.h"

namespace onestep {

const Provenance kProvenance{.command = "onestep-evaluate <x> & y",
                             .date = "2025-01-01T00:00:00Z",
                             .onestep = "0.1.0",
                             .libtorch = "2.11.0",
                             .device = "cpu",
                             .threads = 2,
                             .seconds = 3.5};

inline Evaluation evaluation_of(const std::string& yaml) {
  return evaluate(config::read<EvaluateConfig>(config::parse(yaml, "test")));
}

/// Two generators and real images, judged against the latter; FID alone.
inline Evaluation toy_evaluation() {
  const TemporaryFolder folder;
  return evaluation_of(toy_config(folder));
}

/// Everything at once: all metrics, three sets of seeds, the checkpoints of a run, paired seeds.
inline Evaluation full_evaluation() {
  const TemporaryFolder folder;
  const std::filesystem::path models = folder / "run" / "models";
  std::filesystem::create_directories(models);
  for (const char* nimg : {"1000", "2000", "3000"})
    std::filesystem::copy_file(toy_generator(folder), models / (std::string(nimg) + ".safetensors"));
  std::string yaml = toy_config(folder);
  yaml.replace(yaml.find("baseline: real"), 14, "baseline: toy in one step");
  return evaluation_of(yaml + "metrics: [all]\nseed_sets: 3\nfirst_seed: 100\ntrend: " +
                       (folder / "run").string() + "\n");
}

/// Fewer samples than dimensions, and no images: what a report has to live without.
inline Evaluation bare_evaluation(const std::string& metrics = "fid") {
  const TemporaryFolder folder;
  io::write_safetensors(folder / "a.safetensors", {{"features", normal_features(1, 10, 20)}});
  io::write_safetensors(folder / "r.safetensors", {{"features", normal_features(2, 90, 20)}});
  return evaluation_of("out: out\nmetrics: [" + metrics + "]\nreference: {kind: features, path: " +
                       (folder / "r.safetensors").string() + "}\nsubjects:\n  - {kind: features, name: a, path: " +
                       (folder / "a.safetensors").string() + "}\n");
}

/// Nothing but means and covariances on both sides.
inline Evaluation statistics_evaluation() {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, double mean) {
    io::write_safetensors(folder / name, {{"mu", at::zeros({6}, at::kDouble) + mean},
                                          {"sigma", at::eye(6, at::kDouble)}});
    return (folder / name).string();
  };
  return evaluation_of("out: out\nmetrics: [all]\nreference: {kind: features, path: " + write("r.safetensors", 0) +
                       "}\nsubjects:\n  - {kind: features, name: a, path: " + write("a.safetensors", 1) + "}\n");
}

inline size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace onestep
