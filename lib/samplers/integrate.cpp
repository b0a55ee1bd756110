// SPDX-License-Identifier: Apache-2.0
#include "samplers/integrate.h"

#include <cmath>
#include <functional>
#include <sstream>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include "io/numerical_error.h"

namespace onestep {
namespace {

/// D in float64, or an error that says where the run broke.
class Checked {
 public:
  Checked(const Denoise& denoise, const StepWatch& watch, int64_t step, int64_t steps)
      : denoise_(denoise), watch_(watch), step_(step), steps_(steps) {}

  at::Tensor operator()(const at::Tensor& x, double sigma) {
    const at::Tensor denoised = denoise_(x, sigma);
    // One pass: a sum is finite where all numbers are, save that it may overflow.
    if (!std::isfinite(denoised.sum(at::kDouble).item<double>()) &&
        !at::isfinite(denoised).all().item<bool>()) {
      std::ostringstream message;
      message << "the denoiser returned a number that is not finite at step " << step_ << " of " << steps_
              << ", sigma " << sigma;
      throw NumericalError(message.str());
    }
    if (calls_++ == 0 && watch_) watch_(step_, sigma, denoised);
    return denoised.to(at::kDouble);
  }

 private:
  const Denoise& denoise_;
  const StepWatch& watch_;
  int64_t step_, steps_, calls_ = 0;
};

}  // namespace

std::string grid_problem(const std::vector<double>& sigmas) {
  std::ostringstream problem;
  if (sigmas.size() < 2) problem << "a sigma grid needs at least two values, got " << sigmas.size();
  for (size_t i = 0; i < sigmas.size() && problem.str().empty(); ++i) {
    if (!std::isfinite(sigmas[i]) || sigmas[i] < 0)
      problem << "a sigma must be finite and not negative, got " << sigmas[i];
    else if (i > 0 && sigmas[i] >= sigmas[i - 1])
      problem << "sigmas must decrease strictly, but " << sigmas[i - 1] << " is followed by " << sigmas[i];
  }
  return problem.str();
}

at::Tensor integrate(const Solver& solver, const Denoise& denoise, at::Tensor x,
                     const std::vector<double>& sigmas, History history, const StepWatch& watch) {
  for (const std::string& problem : {grid_problem(sigmas), solver_problem(solver)})
    TORCH_CHECK(problem.empty(), "integrate: ", problem);
  TORCH_CHECK(x.scalar_type() == at::kDouble, "integrate: the state must be float64, got ", x.scalar_type());
  const c10::NoGradGuard no_grad;
  const double scale = noise_scale(solver.stochastic);
  const auto noise = [&] {
    TORCH_CHECK(history.noise, "integrate: a stochastic solver needs a stream of noise");
    return scale * history.noise(history.step, 0);
  };
  const auto steps = static_cast<int64_t>(sigmas.size()) - 1;
  const int64_t done = history.step, total = history.steps > 0 ? history.steps : done + steps;
  for (int64_t i = 0; i < steps; ++i) {
    history.step = done + i + 1;
    if (sigmas.back() == 0) history.left = steps - i;
    Checked checked(denoise, watch, history.step, total);
    const Denoise finite = std::ref(checked);

    const double sigma = raised_level(solver.stochastic, sigmas[i], total);
    if (sigma > sigmas[i]) x = x + std::sqrt(sigma * sigma - sigmas[i] * sigmas[i]) * noise();
    const auto [down, up] = split_step(solver.stochastic, sigma, sigmas[i + 1]);
    x = down == 0 ? finite(x, sigma)
                  : std::visit([&](const auto& m) { return step(m, finite, x, sigma, down, history); },
                               solver.method);
    if (up > 0) x = x + up * noise();
  }
  return x;
}

}  // namespace onestep
