// SPDX-License-Identifier: Apache-2.0
#include "training/adam.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
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

at::Tensor adam_step(Adam& adam, FlatParameters& parameters, double learning_rate, const at::Tensor& any,
                     const std::vector<int64_t>& met) {
  const AdamConfig& c = adam.config;
  const c10::NoGradGuard no_grad;
  at::Tensor norm = at::linalg_vector_norm(parameters.gradients);
  if (any.defined()) norm = at::where(any, norm, at::full({}, NAN, norm.options()));
  const at::Tensor not_finite = at::isfinite(norm).logical_not().to(at::kFloat);
  if (c.clip_norm > 0) parameters.gradients.mul_(at::clamp(c.clip_norm / (norm + 1e-6), {}, 1));
  if (c.clip_value > 0) parameters.gradients.clamp_(-c.clip_value, c.clip_value);
  const auto rows = [&](const at::Tensor& flat) {
    const at::Tensor table = flat.view({adam.rows, -1});
    std::vector<at::Tensor> views;
    for (const int64_t row : met) views.push_back(table[row]);
    return views;
  };
  const std::vector<at::Tensor> steps = rows(adam.step);
  for (at::Tensor step : steps) step.add_(1 - not_finite);
  adam.skipped.add_(1).mul_(not_finite);
  at::_fused_adamw_(rows(parameters.values), rows(parameters.gradients), rows(adam.exp_avg),
                    rows(adam.exp_avg_sq), {}, steps, learning_rate, c.beta1, c.beta2, c.weight_decay, c.eps,
                    /*amsgrad=*/false,
                    /*maximize=*/false, /*grad_scale=*/{}, /*found_inf=*/not_finite);
  parameters.gradients.zero_();
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
