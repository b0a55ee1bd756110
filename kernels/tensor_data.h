// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

/// Tensors as kernels see them.
namespace onestep::kernels {

/// The numbers of a tensor whose dtype was checked, BFloat16 for c10's; null where it is absent.
template <class Real>
const Real* read(const at::Tensor& t) {
  return t.defined() ? static_cast<const Real*>(t.const_data_ptr()) : nullptr;
}
template <class Real>
Real* write(const at::Tensor& t) {
  return t.defined() ? static_cast<Real*>(t.mutable_data_ptr()) : nullptr;
}

inline at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace onestep::kernels
