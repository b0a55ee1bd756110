// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/loader.h"
#include "noise/purpose.h"

namespace onestep {

/// A micro-batch on its way through a step; names as in the papers.
struct Part {
  uint64_t seed;                 ///< of the run
  int64_t nimg, size;            ///< where the whole batch starts, and how many images it has
  int64_t first;                 ///< nimg of its own first image; the others follow
  at::Tensor indices;            ///< int64 [n], nimg of each image: the key of every draw for it
  at::Tensor real, real_labels;  ///< [n, C, H, W] and one-hot [n, K], on the run's device
  at::Tensor y, labels;          ///< the student's images and their classes
  at::Tensor sigma, epsilon;     ///< the noise level at which teacher and student are compared; unit noise
  at::Tensor finite;     ///< bool [n]: whose numbers are finite so far; all losses leave out the others
  at::Tensor x() const;  ///< y + σ ε, of which y may carry gradient
};

/// Images of a batch, sent to the device, and nothing drawn yet.
Part begin_part(const Batch& batch, uint64_t seed, int64_t nimg, int64_t size, at::Device device);

/// y + σ ε with σ [n].
at::Tensor noised(const at::Tensor& y, const at::Tensor& sigma, const at::Tensor& epsilon);

/// Unit normal noise of an image's shape for each image of the part: a function of (seed, purpose, index).
at::Tensor unit_noise(const Part& part, Purpose purpose);

}  // namespace onestep
