// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

/// One sample with numbers that are not finite costs that sample, not the step: its loss is left out, and
/// nothing of it reaches a gradient.
namespace onestep {

/// Which samples of [n, …] hold finite numbers alone: bool [n], without gradient.
at::Tensor finite_samples(const at::Tensor& values);

/// Values [n, …] with zeros for the samples that are not kept, bool [n]. Gradient flows through the others.
at::Tensor kept(const at::Tensor& values, const at::Tensor& keep);

}  // namespace onestep
