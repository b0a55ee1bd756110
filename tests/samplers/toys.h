// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include "closeness.h"
#include "golden_file.h"
#include "networks/gaussian_mixture.h"
#include "samplers/integrate.h"

/// Data whose denoiser and probability-flow path are known.
namespace onestep::toys {

/// Data N(μ, s²).
struct Gaussian {
  double mu = 0.3, s = 0.5;

  Denoise denoise() const {
    return [g = *this](const at::Tensor& x, double sigma) {
      return g.mu + g.s * g.s / (g.s * g.s + sigma * sigma) * (x - g.mu);
    };
  }
  /// x(σ) of the path that is `start` at σ = `from`: μ + (start − μ) √((s²+σ²)/(s²+from²)).
  at::Tensor path(const at::Tensor& start, double from, double sigma) const {
    return mu + (start - mu) * std::sqrt((s * s + sigma * sigma) / (s * s + from * from));
  }
};

/// A mixture of Gaussians on a line, in plain numbers. Its path is known too: on a line none overtakes
/// another, so that x(σ) keeps its quantile.
struct Mixture {
  struct Component {
    double weight, mean, std;
  };
  std::vector<Component> components{{0.35, -1.0, 0.4}, {0.65, 0.8, 0.6}};

  double denoised(double x, double sigma) const {
    double total = 0, sum = 0;
    for (const auto& [w, m, s] : components) {
      const double variance = s * s + sigma * sigma;
      const double p = w / std::sqrt(variance) * std::exp(-0.5 * (x - m) * (x - m) / variance);
      total += p;
      sum += p * (m + s * s / variance * (x - m));
    }
    return sum / total;
  }
  double cdf(double x, double sigma) const {
    double sum = 0;
    for (const auto& [w, m, s] : components)
      sum += w * 0.5 * std::erfc((m - x) / std::sqrt(2 * (s * s + sigma * sigma)));
    return sum;
  }
  /// x(σ) of the path that is `start` at σ = `from`, by bisection down to the last bit.
  double path(double start, double from, double sigma) const {
    const double quantile = cdf(start, from);
    double low = -1e3, high = 1e3;
    for (double middle = 0; low < middle && middle < high; middle = std::midpoint(low, high))
      (cdf(middle, sigma) < quantile ? low : high) = middle;
    return high;
  }

  Denoise denoise() const {
    return [m = *this](const at::Tensor& x, double sigma) {
      return m.each(x, [&](double value) { return m.denoised(value, sigma); });
    };
  }
  at::Tensor path(const at::Tensor& start, double from, double sigma) const {
    return each(start, [&](double value) { return path(value, from, sigma); });
  }

 private:
  template <class F>
  static at::Tensor each(const at::Tensor& x, const F& f) {
    at::Tensor result = x.clone(at::MemoryFormat::Contiguous);
    double* const values = result.data_ptr<double>();
    std::transform(values, values + result.numel(), values, f);
    return result;
  }
};

inline Denoise denoise_of(const GaussianMixture& mixture) {
  return [mixture](const at::Tensor& x, double sigma) {
    const at::Tensor images = x.reshape({x.size(0), 1, 1, -1});
    return onestep::denoise(mixture, images, at::scalar_tensor(sigma, x.options())).reshape(x.sizes());
  };
}

/// The mixture of a reference file: mix_weight [K], mix_mean and mix_std [K, d].
inline GaussianMixture mixture_of(const io::TensorFile& file) {
  const auto images = [&](const char* name) { return file.at(name).unsqueeze(1).unsqueeze(1); };
  return {file.at("mix_weight"), images("mix_mean"), images("mix_std")};
}

inline io::TensorFile golden(const std::string& name, at::Device device = at::kCPU) {
  return test::golden_file("samplers/" + name, device);
}

inline std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

using test::relative_error;

/// n equal steps from `from` to `to`.
inline std::vector<double> even_grid(double from, double to, int64_t n) {
  std::vector<double> sigmas;
  for (int64_t i = 0; i <= n; ++i) sigmas.push_back(from + (to - from) * static_cast<double>(i) / n);
  return sigmas;
}

}  // namespace onestep::toys
