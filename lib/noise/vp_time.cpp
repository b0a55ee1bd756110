// SPDX-License-Identifier: Apache-2.0
#include "noise/vp_time.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/sqrt.h>

namespace onestep {
namespace {

constexpr double kBetaD = 19.9, kBetaMin = 0.1;

}  // namespace

double vp_sigma(double t) {
  return std::sqrt(std::expm1((0.5 * kBetaD * t + kBetaMin) * t));
}

at::Tensor vp_sigma(const at::Tensor& t) {
  return ((0.5 * kBetaD * t + kBetaMin) * t).expm1().sqrt();
}

at::Tensor vp_time_of(const at::Tensor& sigma) {
  return ((kBetaMin * kBetaMin + 2 * kBetaD * (sigma * sigma).log1p()).sqrt() - kBetaMin) / kBetaD;
}

}  // namespace onestep
