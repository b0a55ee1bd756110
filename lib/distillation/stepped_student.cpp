// SPDX-License-Identifier: Apache-2.0
#include "distillation/stepped_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include "kernels/philox.h"

namespace onestep {
namespace {

/// The input of each image's last step.
struct LastStep {
  at::Tensor x, sigma;  ///< [n, C, H, W], [n]
};

/// The step at which each image stops, drawn evenly: on the host, whoever computes.
std::vector<int64_t> last_steps(const SteppedStudent& m, const Shard& shard) {
  const int64_t n = shard.real.size(0);
  const auto steps = static_cast<double>(m.sigmas.size());
  const at::Tensor u = kernels::philox_uniform(shard.seed, word(Purpose::student_step),
                                               at::arange(shard.nimg, shard.nimg + n), {}, at::kCPU);
  std::vector<int64_t> stops;
  for (int64_t i = 0; i < n; ++i) stops.push_back(static_cast<int64_t>(u.const_data_ptr<float>()[i] * steps));
  return stops;
}

/// Follows the chain of steps without gradient, each image as far as it goes and no farther.
LastStep last_step(const SteppedStudent& m, const Shard& shard, const at::Tensor& z) {
  const c10::NoGradGuard no_grad;
  const auto steps = static_cast<int64_t>(m.sigmas.size());
  const std::vector<int64_t> stops = last_steps(m, shard);
  std::vector<int64_t> shape = z.sizes().vec();
  shape[0] = steps - 1;
  const at::Tensor noise =
      kernels::philox_normal(shard.seed, word(Purpose::student_renoise), shard.indices, shape, z.device());
  std::vector<double> sigmas;
  for (const int64_t stop : stops) sigmas.push_back(m.sigmas[stop]);
  LastStep last{.x = z * m.sigmas[0], .sigma = to_device(at::tensor(sigmas, at::kFloat), z.device())};
  for (int64_t k = 1; k < steps; ++k) {
    std::vector<int64_t> going;  // the images whose last step is this one or a later one
    for (size_t i = 0; i < stops.size(); ++i)
      if (stops[i] >= k) going.push_back(static_cast<int64_t>(i));
    if (going.empty()) break;
    const at::Tensor rows = to_device(at::tensor(going), z.device());
    const auto of_rows = [&](const at::Tensor& t) { return t.index_select(0, rows); };
    const at::Tensor before = at::full({}, m.sigmas[k - 1], z.options());
    const at::Tensor x = denoise(m.network, of_rows(last.x), before, map_rows(shard.condition, of_rows)) +
                         m.sigmas[k] * of_rows(noise.select(1, k - 1));
    last.x.index_copy_(0, rows, x);
  }
  return last;
}

}  // namespace

at::Tensor student_images(const SteppedStudent& m, const Shard& shard) {
  const at::Tensor z = unit_noise(shard, Purpose::student_latent);
  if (m.sigmas.size() == 1) return first_step(m, z, shard.condition);
  const LastStep last = last_step(m, shard, z);
  return denoise(m.network, last.x, last.sigma, shard.condition);
}

at::Tensor first_step(const SteppedStudent& m, const at::Tensor& z, const Condition& condition) {
  return denoise(m.network, z * m.sigmas[0], at::full({}, m.sigmas[0], z.options()), condition);
}

}  // namespace onestep
