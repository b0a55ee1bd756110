// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw.h"

#include <algorithm>
#include <type_traits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "kernels/cuda_plugin.h"
#include "kernels/tensor_data.h"

namespace onestep::kernels {
namespace {

void check_vector(const at::Tensor& t, const at::Tensor& values, at::ScalarType dtype, const char* name) {
  TORCH_CHECK(t.defined() && t.sizes() == values.sizes() && t.scalar_type() == dtype &&
                  t.device() == values.device() && t.is_contiguous(),
              "adamw_step: ", name, " must be contiguous ", dtype, values.sizes(), " on ", values.device());
}

void check_scalar(const at::Tensor& t, const at::Tensor& values, const char* name) {
  TORCH_CHECK(t.defined() && t.dim() == 0 && t.is_floating_point() && t.device() == values.device(),
              "adamw_step: ", name, " must be a floating [] on ", values.device());
}

void check(const AdamwState& s, const at::Tensor& learning_rate, const at::Tensor& norm,
           const at::Tensor& any, const std::vector<MovingAverage>& averages,
           const std::vector<int64_t>& met) {
  const at::Tensor& values = s.values;
  TORCH_CHECK(values.dim() == 1 && values.is_contiguous() &&
                  (values.scalar_type() == at::kFloat || values.scalar_type() == at::kDouble),
              "adamw_step: values must be contiguous float32 or float64 [P], got ", values.scalar_type(),
              values.sizes());
  TORCH_CHECK(values.is_cpu() || has_launchers(values.device()), "adamw_step: no kernel for device ",
              values.device());
  check_vector(s.gradients, values, values.scalar_type(), "gradients");
  check_vector(s.exp_avg, values, values.scalar_type(), "exp_avg");
  check_vector(s.exp_avg_sq, values, values.scalar_type(), "exp_avg_sq");
  if (s.shadow.defined()) check_vector(s.shadow, values, at::kBFloat16, "shadow");
  check_scalar(s.skipped, values, "skipped");
  check_scalar(learning_rate, values, "learning_rate");
  check_scalar(norm, values, "norm");
  TORCH_CHECK(s.step.dim() <= 1 && s.step.numel() > 0 && values.numel() % s.step.numel() == 0 &&
                  s.step.scalar_type() == at::kFloat && s.skipped.scalar_type() == at::kFloat &&
                  s.step.device() == values.device() && s.step.is_contiguous(),
              "adamw_step: step must be float32 [] or [rows] of equal parts of ", values.sizes(), ", got ",
              s.step.scalar_type(), s.step.sizes(), ", and skipped float32");
  TORCH_CHECK(
      !any.defined() || (any.dim() == 0 && any.scalar_type() == at::kBool && any.device() == values.device()),
      "adamw_step: any must be a bool [] on ", values.device());
  TORCH_CHECK(averages.size() <= kMostAverages, "adamw_step: ", averages.size(), " averages, room for ",
              kMostAverages);
  for (const MovingAverage& average : averages) {
    check_vector(average.values, values, values.scalar_type(), "an average");
    check_scalar(average.weight, values, "an average's weight");
  }
  for (const int64_t row : met)
    TORCH_CHECK(row >= 0 && row < s.step.numel(), "adamw_step: no row ", row, " of ", s.step.numel());
}

template <class Real>
void run(const AdamwState& s, const AdamwConfig& config, const at::Tensor& learning_rate,
         const at::Tensor& norm, const at::Tensor& any, const std::vector<MovingAverage>& averages,
         const std::vector<int64_t>& met) {
  const int64_t rows = s.step.numel();
  AdamwArrays<Real> a{.values = s.values.mutable_data_ptr<Real>(),
                      .gradients = s.gradients.mutable_data_ptr<Real>(),
                      .exp_avg = s.exp_avg.mutable_data_ptr<Real>(),
                      .exp_avg_sq = s.exp_avg_sq.mutable_data_ptr<Real>(),
                      .shadow = write<BFloat16>(s.shadow),
                      .size = s.values.numel() / rows,
                      .met = false,
                      .learning_rate = learning_rate.const_data_ptr<double>(),
                      .norm = norm.const_data_ptr<double>(),
                      .any = read<bool>(any),
                      .step = s.step.mutable_data_ptr<float>(),
                      .skipped = s.skipped.mutable_data_ptr<float>(),
                      .averages = static_cast<int>(averages.size()),
                      .average = {},
                      .weight = {}};
  std::vector<at::Tensor> weights;
  for (size_t i = 0; i < averages.size(); ++i) {
    weights.push_back(averages[i].weight.to(at::kDouble));
    a.average[i] = averages[i].values.mutable_data_ptr<Real>();
    a.weight[i] = weights.back().const_data_ptr<double>();
  }
  const bool on_host = s.values.is_cpu();
  const at::Tensor room = on_host ? at::Tensor()
                                  : at::empty({static_cast<int64_t>(sizeof(AdamwFactors<Real>))},
                                              s.values.options().dtype(at::kByte));
  for (int64_t row = 0; row < rows; ++row) {
    a.met = std::find(met.begin(), met.end(), row) != met.end();
    if (on_host) {
      adamw_cpu(config, a);
    } else {
      constexpr bool wide = std::is_same_v<Real, double>;
      using Launcher =
          std::conditional_t<wide, decltype(onestep_adamw_cuda_f64), decltype(onestep_adamw_cuda_f32)>;
      launch<Launcher>(wide ? "onestep_adamw_cuda_f64" : "onestep_adamw_cuda_f32", s.values.device(), config,
                       a, reinterpret_cast<AdamwFactors<Real>*>(room.mutable_data_ptr<uint8_t>()));
    }
    for (Real** vector : {&a.values, &a.gradients, &a.exp_avg, &a.exp_avg_sq}) *vector += a.size;
    for (int i = 0; i < a.averages; ++i) a.average[i] += a.size;
    if (a.shadow != nullptr) a.shadow += a.size;
    ++a.step;
    a.skipped = nullptr;
  }
}

}  // namespace

void adamw_step(const AdamwState& state, const AdamwConfig& config, const at::Tensor& learning_rate,
                const at::Tensor& norm, const at::Tensor& any, const std::vector<MovingAverage>& averages,
                const std::vector<int64_t>& met) {
  const c10::NoGradGuard no_grad;
  check(state, learning_rate, norm, any, averages, met);
  const auto kernel = state.values.scalar_type() == at::kDouble ? run<double> : run<float>;
  kernel(state, config, learning_rate.to(at::kDouble), norm.to(at::kDouble), any, averages, met);
}

}  // namespace onestep::kernels
