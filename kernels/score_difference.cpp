// SPDX-License-Identifier: Apache-2.0
#include "kernels/score_difference.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cuda_plugin.h"

namespace onestep::kernels {
namespace {

void check(const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& h) {
  TORCH_CHECK(y.dim() >= 1, "score_difference: y must be [N, ...]");
  TORCH_CHECK(y.scalar_type() == at::kFloat || y.scalar_type() == at::kDouble,
              "score_difference: y must be float32 or float64, got ", y.scalar_type());
  TORCH_CHECK(y.is_cpu() || has_launchers(y.device()), "score_difference: no kernel for device ", y.device());
  const auto check_like_y = [&](const at::Tensor& image, const char* name) {
    TORCH_CHECK(
        image.sizes() == y.sizes() && image.scalar_type() == y.scalar_type() && image.device() == y.device(),
        "score_difference: ", name, " is ", image.scalar_type(), image.sizes(), " on ", image.device(),
        ", y is ", y.scalar_type(), y.sizes(), " on ", y.device());
  };
  check_like_y(teacher, "teacher");
  check_like_y(fake, "fake");
  TORCH_CHECK(h.dim() == 1 && h.size(0) == y.size(0) && h.is_floating_point() && h.device() == y.device(),
              "score_difference: h must be floating [", y.size(0), "] on ", y.device(), ", got ",
              h.scalar_type(), h.sizes(), " on ", h.device());
}

template <class Real>
void run(Normalisation normalisation, const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake,
         const at::Tensor& h, const ScoreDifference& out) {
  const ScoreDifferenceArrays<Real> arrays{y.const_data_ptr<Real>(),
                                           teacher.const_data_ptr<Real>(),
                                           fake.const_data_ptr<Real>(),
                                           h.const_data_ptr<Real>(),
                                           y.size(0),
                                           y.numel() / y.size(0),
                                           out.loss.mutable_data_ptr<Real>(),
                                           out.gradient.mutable_data_ptr<Real>()};
  if (y.is_cpu()) {
    score_difference_cpu(normalisation, arrays);
  } else if constexpr (std::is_same_v<Real, float>) {
    launch<decltype(onestep_score_difference_cuda_f32)>("onestep_score_difference_cuda_f32", y.device(),
                                                        normalisation, arrays);
  } else {
    launch<decltype(onestep_score_difference_cuda_f64)>("onestep_score_difference_cuda_f64", y.device(),
                                                        normalisation, arrays);
  }
}

struct ScoreDifferenceFunction : torch::autograd::Function<ScoreDifferenceFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& y,
                            const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& h,
                            int64_t normalisation) {
    const ScoreDifference out =
        score_difference(y, teacher, fake, h, static_cast<Normalisation>(normalisation));
    context->save_for_backward({out.gradient});
    return out.loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_out) {
    const at::Tensor gradient = context->get_saved_variables().front();
    std::vector<int64_t> per_sample(gradient.dim(), 1);
    per_sample.front() = gradient.size(0);
    return {grad_out.front().reshape(per_sample) * gradient, {}, {}, {}, {}};
  }
};

}  // namespace

ScoreDifference score_difference(const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake,
                                 const at::Tensor& h, Normalisation normalisation) {
  check(y, teacher, fake, h);
  const auto constant = [&](const at::Tensor& t) { return t.detach().to(y.scalar_type()).contiguous(); };
  const ScoreDifference out{at::zeros({y.size(0)}, y.options().requires_grad(false)),
                            at::empty(y.sizes(), y.options().requires_grad(false))};
  if (y.numel() == 0) return out;
  const auto kernel = y.scalar_type() == at::kDouble ? run<double> : run<float>;
  kernel(normalisation, constant(y), constant(teacher), constant(fake), constant(h), out);
  return out;
}

at::Tensor score_difference_loss(const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake,
                                 const at::Tensor& h, Normalisation normalisation) {
  return ScoreDifferenceFunction::apply(y, teacher, fake, h, static_cast<int64_t>(normalisation));
}

}  // namespace onestep::kernels
