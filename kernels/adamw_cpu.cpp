// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <ATen/Parallel.h>

#include "kernels/adamw_core.h"

/// A row is taken in blocks that stay in the first cache while loop after loop goes over them.
namespace onestep::kernels {
namespace {

constexpr int64_t kBlock = 1024;  // numbers

template <class Real>
ONESTEP_VECTOR_CLONES void update(const AdamwFactors<Real>& factors, int64_t size,
                                  const Real* __restrict gradient, Real* __restrict value, Real* __restrict m,
                                  Real* __restrict v) {
  const AdamwFactors<Real> f = factors;
  for (int64_t i = 0; i < size; ++i) adamw_update(f, gradient[i], value[i], m[i], v[i]);
}

template <class Real>
ONESTEP_VECTOR_CLONES void move(Real* __restrict average, const Real* __restrict value, Real weight,
                                int64_t size) {
  for (int64_t i = 0; i < size; ++i) average[i] = lerp(average[i], value[i], weight);
}

template <class Real>
ONESTEP_VECTOR_CLONES void round(const Real* __restrict value, BFloat16* __restrict shadow, int64_t size) {
  for (int64_t i = 0; i < size; ++i) narrow(static_cast<float>(value[i]), shadow[i]);
}

}  // namespace

template <class Real>
void adamw_cpu(const AdamwConfig& config, const AdamwArrays<Real>& a) {
  constexpr int64_t kGrain = 16;  // blocks: about ten microseconds of work
  const AdamwFactors<Real> factors = adamw_factors(config, a);
  at::parallel_for(0, (a.size + kBlock - 1) / kBlock, kGrain, [&](int64_t first, int64_t last) {
    for (int64_t at = first * kBlock; at < std::min(last * kBlock, a.size); at += kBlock) {
      const int64_t size = std::min(kBlock, a.size - at);
      Real* const value = a.values + at;
      if (factors.updated) update(factors, size, a.gradients + at, value, a.exp_avg + at, a.exp_avg_sq + at);
      std::fill_n(a.gradients + at, size, Real(0));
      for (int i = 0; i < a.averages; ++i)
        move(a.average[i] + at, value, static_cast<Real>(*a.weight[i]), size);
      if (a.shadow != nullptr) round(value, a.shadow + at, size);
    }
  });
}

template void adamw_cpu(const AdamwConfig&, const AdamwArrays<float>&);
template void adamw_cpu(const AdamwConfig&, const AdamwArrays<double>&);

}  // namespace onestep::kernels
