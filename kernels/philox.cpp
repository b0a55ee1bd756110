// SPDX-License-Identifier: Apache-2.0
#include "kernels/philox.h"

#include <vector>

#include <ATen/ops/empty.h>

#include "kernels/cuda_plugin.h"
#include "kernels/philox_core.h"

namespace onestep::kernels {
namespace {

at::Tensor draw(PhiloxLaw law, uint64_t seed, uint32_t purpose, const at::Tensor& indices,
                at::IntArrayRef shape, at::Device device, at::ScalarType dtype) {
  TORCH_CHECK(indices.defined() && indices.dim() == 1 && indices.scalar_type() == at::kLong,
              "philox: indices must be an int64 vector");
  TORCH_CHECK(device.is_cpu() || has_launchers(device), "philox: no kernel for device ", device);
  if (device.is_cuda()) load_cuda_plugin();
  const int64_t rows = indices.size(0);
  std::vector<int64_t> sizes{rows};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  at::Tensor out = at::empty(sizes, at::TensorOptions().dtype(at::kFloat).device(device));
  if (out.numel() == 0) return out.to(dtype);

  TORCH_CHECK(indices.is_cpu() || indices.device() == out.device(), "philox: indices on ", indices.device(),
              " for noise on ", out.device());
  const int64_t row_size = out.numel() / rows;
  TORCH_CHECK(row_size <= int64_t{4} << 32, "philox: a row holds at most 2^34 values, got ", row_size);
  const at::Tensor index = indices.contiguous().to(out.device());
  const auto* index_data = index.const_data_ptr<int64_t>();
  auto* out_data = out.mutable_data_ptr<float>();
  if (has_launchers(device)) {
    launch<decltype(onestep_philox_cuda)>("onestep_philox_cuda", out.device(), law, seed, purpose, index_data,
                                          rows, row_size, out_data);
  } else {
    philox_cpu(law, seed, purpose, index_data, rows, row_size, out_data);
  }
  return out.to(dtype);
}

}  // namespace

at::Tensor philox_normal(uint64_t seed, uint32_t purpose, const at::Tensor& indices, at::IntArrayRef shape,
                         at::Device device, at::ScalarType dtype) {
  TORCH_CHECK(at::isFloatingType(dtype), "philox_normal: dtype must be a floating type, got ", dtype);
  return draw(PhiloxLaw::normal, seed, purpose, indices, shape, device, dtype);
}

at::Tensor philox_uniform(uint64_t seed, uint32_t purpose, const at::Tensor& indices, at::IntArrayRef shape,
                          at::Device device, at::ScalarType dtype) {
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kDouble,
              "philox_uniform: dtype must be float32 or float64, got ", dtype);
  return draw(PhiloxLaw::uniform, seed, purpose, indices, shape, device, dtype);
}

uint64_t philox_bits(uint64_t seed, uint32_t purpose, uint64_t index, uint32_t block) {
  const PhiloxBlock bits = philox4x32_10(philox_counter(block, purpose, index), seed);
  return uint64_t{bits.word[1]} << 32 | bits.word[0];
}

}  // namespace onestep::kernels
