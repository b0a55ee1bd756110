// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include <ATen/core/Tensor.h>

#include "kernels/adamw_core.h"

namespace onestep::kernels {

/// A network in training as flat vectors, all [P] and contiguous.
struct AdamwState {
  at::Tensor values, gradients, exp_avg, exp_avg_sq;  ///< of one dtype, float32 or float64
  at::Tensor step;     ///< [] float32, updates made; or [rows], where equal parts of P count each for itself
  at::Tensor skipped;  ///< [] float32, updates left out in a row
  at::Tensor shadow;   ///< bfloat16, the values rounded; absent: none
};

/// average ← average + weight (values − average).
struct MovingAverage {
  at::Tensor values;  ///< [P], of the parameters' dtype
  at::Tensor weight;  ///< [], any floating dtype
};

/// All that a step does to parameters, in one pass over memory (AdamW: Kingma & Ba 2015; Loshchilov & Hutter
/// 2019):
///
///   g = clamp(gradient × min(1, clip_norm/(norm + 1e-6)), ±clip_value)
///   m ← β1 m + (1 − β1) g,   v ← β2 v + (1 − β2) g²
///   value ← (1 − lr × weight_decay) value − lr/(1 − β1ᵗ) × m/(√v/√(1 − β2ᵗ) + eps)
///
/// with t the row's count of updates, this one included; then the averages and the shadow of the new values,
/// and the gradient becomes zero. When `norm`, the gradient's, is not finite or `any` is false, values,
/// moments and t stay as they are, and `skipped` is one more, 0 otherwise; of several rows those that are not
/// `met` stay, too. Averages, shadow and zeros are made all the same.
///
/// learning_rate, norm: [], any floating dtype; any: [] bool, or absent. All lie on the values' device and
/// are read there: nothing waits for the host, and a captured graph replays with new ones. Bits depend on no
/// number of threads. Throws c10::Error on shapes, dtypes or devices that do not agree.
void adamw_step(const AdamwState& state, const AdamwConfig& config, const at::Tensor& learning_rate,
                const at::Tensor& norm, const at::Tensor& any = {},
                const std::vector<MovingAverage>& averages = {}, const std::vector<int64_t>& met = {0});

}  // namespace onestep::kernels
