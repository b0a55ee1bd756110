// SPDX-License-Identifier: Apache-2.0
#include "training/adam.h"

#include <cmath>

#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace onestep {

Adam make_adam(const AdamConfig& config, const FlatParameters& parameters, int64_t rows) {
  const auto scalar = parameters.values.options().dtype(at::kFloat);
  return {.config = config,
          .exp_avg = at::zeros_like(parameters.values),
          .exp_avg_sq = at::zeros_like(parameters.values),
          .rows = rows,
          .step = rows == 1 ? at::zeros({}, scalar) : at::zeros({rows}, scalar),
          .skipped = at::zeros({}, scalar)};
}

at::Tensor adam_step(Adam& adam, FlatParameters& parameters, const AdamStep& step) {
  const AdamConfig& c = adam.config;
  const c10::NoGradGuard no_grad;
  at::Tensor norm = at::linalg_vector_norm(parameters.gradients);
  if (step.any.defined()) norm = at::where(step.any, norm, at::full({}, NAN, norm.options()));
  kernels::adamw_step({parameters.values, parameters.gradients, adam.exp_avg, adam.exp_avg_sq, adam.step,
                       adam.skipped, step.shadow},
                      {c.beta1, c.beta2, c.eps, c.weight_decay, c.clip_norm, c.clip_value},
                      at::full({}, step.learning_rate, norm.options().dtype(at::kDouble)), norm, {},
                      step.averages, step.met);
  return norm;
}

void append_state(NamedTensors& state, const std::string& prefix, const Adam& adam,
                  const FlatParameters& parameters) {
  state.emplace_back(prefix + ".parameters", parameters.values);
  state.emplace_back(prefix + ".exp_avg", adam.exp_avg);
  state.emplace_back(prefix + ".exp_avg_sq", adam.exp_avg_sq);
  state.emplace_back(prefix + ".step", adam.step);
  state.emplace_back(prefix + ".skipped", adam.skipped);
}

}  // namespace onestep
