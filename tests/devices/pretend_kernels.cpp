// SPDX-License-Identifier: Apache-2.0
// The launchers of our own kernels for the pretended device, found by name as CUDA's are: the CPU's kernels
// on the device's addresses. They bear CUDA's names, because a kernel asks for its launcher by that.
#include "devices/pretend_device.h"
#include "kernels/adamw_core.h"
#include "kernels/group_norm_silu_core.h"
#include "kernels/philox_core.h"
#include "kernels/resize_tf1_core.h"
#include "kernels/score_difference_core.h"

namespace onestep::kernels {
namespace {

template <class T>
T* host(T* device) {
  return device == nullptr ? nullptr : static_cast<T*>(test::host_address(device));
}

template <class Real>
const char* adamw(const AdamwConfig& config, AdamwArrays<Real> a) {
  for (Real** array : {&a.values, &a.gradients, &a.exp_avg, &a.exp_avg_sq}) *array = host(*array);
  a.shadow = host(a.shadow);
  a.learning_rate = host(a.learning_rate);
  a.norm = host(a.norm);
  a.any = host(a.any);
  a.step = host(a.step);
  a.skipped = host(a.skipped);
  for (int i = 0; i < a.averages; ++i) {
    a.average[i] = host(a.average[i]);
    a.weight[i] = host(a.weight[i]);
  }
  adamw_cpu(config, a);
  return nullptr;
}

template <class Real>
GroupNormArrays<Real> host(GroupNormArrays<Real> a) {
  a.x = host(a.x);
  a.gain = host(a.gain);
  a.offset = host(a.offset);
  a.added = host(a.added);
  a.y = host(a.y);
  a.mean = host(a.mean);
  a.inverse_deviation = host(a.inverse_deviation);
  a.channel_mean = host(a.channel_mean);
  return a;
}

template <class Real>
const char* group_norm_silu(const GroupNormArrays<Real>& a) {
  group_norm_silu_cpu(host(a));
  return nullptr;
}

template <class Real>
const char* group_norm_silu_backward(const GroupNormArrays<Real>& a, const GroupNormGradients<Real>& g) {
  group_norm_silu_backward_cpu(host(a),
                               GroupNormGradients<Real>{host(g.grad_y), host(g.grad_x), host(g.grad_gain),
                                                        host(g.grad_offset), host(g.grad_added)});
  return nullptr;
}

template <class Real>
const char* score_difference(Normalisation normalisation, const ScoreDifferenceArrays<Real>& a) {
  score_difference_cpu(normalisation,
                       ScoreDifferenceArrays<Real>{host(a.y), host(a.teacher), host(a.fake), host(a.h),
                                                   a.samples, a.size, host(a.loss), host(a.gradient)});
  return nullptr;
}

}  // namespace

const char* onestep_adamw_cuda_f32(AdamwConfig config, AdamwArrays<float> arrays, AdamwFactors<float>*,
                                   void*) {
  return adamw(config, arrays);
}

const char* onestep_adamw_cuda_f64(AdamwConfig config, AdamwArrays<double> arrays, AdamwFactors<double>*,
                                   void*) {
  return adamw(config, arrays);
}

#define ONESTEP_GROUP_NORM_LAUNCHERS(Real, suffix)                                                        \
  const char* onestep_group_norm_silu_cuda_##suffix(GroupNormArrays<Real> arrays, void*) {                \
    return group_norm_silu(arrays);                                                                       \
  }                                                                                                       \
  const char* onestep_group_norm_silu_backward_cuda_##suffix(GroupNormArrays<Real> arrays,                \
                                                             GroupNormGradients<Real> gradients, void*) { \
    return group_norm_silu_backward(arrays, gradients);                                                   \
  }
ONESTEP_GROUP_NORM_LAUNCHERS(float, f32)
ONESTEP_GROUP_NORM_LAUNCHERS(double, f64)
ONESTEP_GROUP_NORM_LAUNCHERS(BFloat16, bf16)
#undef ONESTEP_GROUP_NORM_LAUNCHERS

const char* onestep_philox_cuda(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices,
                                int64_t rows, int64_t row_size, float* out, void*) {
  philox_cpu(law, seed, purpose, host(indices), rows, row_size, host(out));
  return nullptr;
}

const char* onestep_score_difference_cuda_f32(Normalisation normalisation,
                                              ScoreDifferenceArrays<float> arrays, void*) {
  return score_difference(normalisation, arrays);
}

const char* onestep_score_difference_cuda_f64(Normalisation normalisation,
                                              ScoreDifferenceArrays<double> arrays, void*) {
  return score_difference(normalisation, arrays);
}

const char* onestep_resize_tf1_cuda(ResizeTf1Arrays a, void*) {
  a.in = host(a.in);
  a.out = host(a.out);
  resize_tf1_cpu(a);
  return nullptr;
}

}  // namespace onestep::kernels
