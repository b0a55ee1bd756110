// SPDX-License-Identifier: Apache-2.0
#include "samplers/single_step.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include "noise/time_grid.h"
#include "samplers/stochastic.h"

// Written with plain products and sums, never at::add with a factor or at::lerp: those are fused in the
// vector loop but not in its scalar tail, so that a sample's last bit would depend on its place in the batch.
// What every step does works in place on what it has just made.
namespace onestep {
at::Tensor slope(const Denoise& denoise, const at::Tensor& x, double sigma) {
  return (x - denoise(x, sigma)).div_(sigma);
}

at::Tensor towards(const at::Tensor& image, const at::Tensor& x, double ratio) {
  return (ratio * x).add_((1 - ratio) * image);
}

at::Tensor step(const OneStep&, const Denoise&, const at::Tensor&, double sigma, double next, History&) {
  TORCH_CHECK(false, "one_step goes from its sigma to 0 in one step, not from ", sigma, " to ", next);
}

at::Tensor step(const Euler&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History&) {
  return x + (next - sigma) * slope(denoise, x, sigma);
}

at::Tensor step(const Heun& solver, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History&) {
  const double inner = (1 - solver.alpha) * sigma + solver.alpha * next, weight = 1 / (2 * solver.alpha);
  if (sigma >= kPureNoise && next < 1e-3 * sigma) {
    const at::Tensor image = denoise(x, sigma);
    const at::Tensor image2 = denoise(towards(image, x, inner / sigma), inner);
    return towards((1 - weight) * image + weight * image2, x, next / sigma);
  }
  const at::Tensor d = slope(denoise, x, sigma);
  const at::Tensor d2 = slope(denoise, x + (inner - sigma) * d, inner);
  return x + (next - sigma) * ((1 - weight) * d + weight * d2);
}

at::Tensor step(const Dpm2&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History&) {
  const double middle = std::sqrt(sigma * next);
  const at::Tensor halfway = x + (middle - sigma) * slope(denoise, x, sigma);
  return x + (next - sigma) * slope(denoise, halfway, middle);
}

at::Tensor step(const Dpmpp2S&, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History&) {
  const double middle = std::sqrt(sigma * next);
  const at::Tensor halfway = towards(denoise(x, sigma), x, middle / sigma);
  return towards(denoise(halfway, middle), x, next / sigma);
}

at::Tensor step(const DpmppSde& solver, const Denoise& denoise, const at::Tensor& x, double sigma,
                double next, History& history) {
  TORCH_CHECK(history.noise, "dpmpp_sde needs a stream of noise");
  const double middle = std::sqrt(sigma * next);
  const Ancestral ancestral{solver.eta};
  const Split half = split_step(ancestral, sigma, middle), whole = split_step(ancestral, sigma, next);
  // Brownian increments over σ … s and s … σ', and their sum, each of unit variance.
  const double first = std::sqrt((sigma - middle) / (sigma - next));
  const at::Tensor early = history.noise(history.step, 0);
  const at::Tensor both =
      first * early + std::sqrt((middle - next) / (sigma - next)) * history.noise(history.step, 1);

  const at::Tensor halfway =
      towards(denoise(x, sigma), x, half.down / sigma) + solver.noise_scale * half.up * early;
  return towards(denoise(halfway, middle), x, whole.down / sigma) + solver.noise_scale * whole.up * both;
}

}  // namespace onestep
