// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/loader.h"
#include "noise/purpose.h"

namespace onestep {

/// A shard of a batch on its way through a step; names as in the papers.
struct Shard {
  uint64_t seed;              ///< of the run
  int64_t nimg;               ///< of its first image; the others follow. For what can't be a graph alone
  at::Tensor indices;         ///< int64 [n], nimg of each image: the key of every draw for it
  at::Tensor real;            ///< [n, C, H, W], on the run's device
  Condition real_condition;   ///< of which they are
  at::Tensor y;               ///< the student's images
  Condition condition;        ///< and theirs
  at::Tensor sigma, epsilon;  ///< the noise level at which teacher and student are compared; unit noise
  at::Tensor finite;          ///< bool [n]: whose numbers are finite so far; all losses leave out the others
  at::Tensor x() const;       ///< y + σ ε, of which y may carry gradient
};

/// The images of a batch or a part of one, sent to the device, and nothing drawn yet.
Shard begin_shard(const Batch& batch, uint64_t seed, at::Device device);

/// y + σ ε with σ [n].
at::Tensor noised(const at::Tensor& y, const at::Tensor& sigma, const at::Tensor& epsilon);

/// Unit normal noise of an image's shape for each image of the shard: a function of (seed, purpose, index).
at::Tensor unit_noise(const Shard& shard, Purpose purpose);

}  // namespace onestep
