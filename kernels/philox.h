// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include <ATen/core/Tensor.h>

/// Counter-based random numbers: a value is a pure function of (seed, purpose, index, position in its row),
/// so an image's noise does not depend on batch size, thread count, rank count or device. No generator state
/// exists.
///
/// Generator: Philox4x32-10 with key = seed and counter = (block, purpose, index low, index high); a block
/// holds the row's next four values. `purpose` (noise/purpose.h) keeps draws for different uses apart.
/// Indices are read as unsigned 64-bit words: -1 is the image 2^64 − 1. The bits are the same on the CPU and
/// on CUDA devices, and an image of another dtype is the float32 one, converted: the same seed gives the same
/// image in every precision.
namespace onestep::kernels {

/// Standard normal noise, [N, *shape] for `indices` int64 [N] on `device`, or on the CPU at the price of a
/// copy (Box–Muller in float32, |z| ≤ 6.66; `dtype` is floating). Row i depends on seed, purpose, indices[i]
/// and nothing else; a longer row begins as a shorter one. Throws c10::Error if indices have another type,
/// rank or device, dtype is not floating, a row exceeds 2^34 values, or CUDA is asked for and absent.
at::Tensor philox_normal(uint64_t seed, uint32_t purpose, const at::Tensor& indices, at::IntArrayRef shape,
                         at::Device device, at::ScalarType dtype = at::kFloat);

/// Uniform numbers in [0, 1), multiples of 2^-24, otherwise as philox_normal; `dtype` is float32 or float64,
/// since a narrower one would round some of them to 1.
at::Tensor philox_uniform(uint64_t seed, uint32_t purpose, const at::Tensor& indices, at::IntArrayRef shape,
                          at::Device device, at::ScalarType dtype = at::kFloat);

/// 64 random bits for choices on the host, such as permutations: words 0 (low) and 1 (high) of one block.
/// They are the bits behind philox_normal's values of the same seed, purpose, index and block: give such
/// draws a purpose of their own.
uint64_t philox_bits(uint64_t seed, uint32_t purpose, uint64_t index, uint32_t block);

}  // namespace onestep::kernels
