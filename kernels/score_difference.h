// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/score_difference_core.h"

/// The integral branch's step on the student's images (Diff-Instruct, DMD, f-distill; lib/losses/README.md
/// §2, §3). With w = h × scale per sample (Normalisation), D_p the teacher's and D_q the fake network's
/// denoised images:
///
///   loss_i = ½ ‖y_i − sg[y_i − w_i (D_q,i − D_p,i)]‖²,    ∂loss_i/∂y_i = w_i (D_q,i − D_p,i).
///
/// ∇_θ D_f = −E[h Δ · ∂x/∂θ] with Δ = (D_p − D_q)/σ²: the gradient has the descent direction's sign, and its
/// value in denoiser units is σ² times that of the scores. The loss itself, a sum over pixels, measures no
/// distance.
///
/// Shapes: y, teacher, fake [N, …], of one dtype, float32 or float64, on one device; h [N], any floating
/// dtype. Only y carries gradient: h, w, D_p and D_q are constants. Sums are float64 in a fixed order, so
/// that results depend neither on the batch nor on the thread count. Throws c10::Error on shapes, dtypes or
/// devices that do not agree.
namespace onestep::kernels {

struct ScoreDifference {
  at::Tensor loss;      ///< [N], the dtype of y
  at::Tensor gradient;  ///< ∂loss_i/∂y_i, the shape of y, contiguous
};

/// Loss and gradient at once, without autograd: the training loop drives the student from image-space
/// gradients.
ScoreDifference score_difference(const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake,
                                 const at::Tensor& h, Normalisation normalisation);

/// The per-sample losses [N] with autograd: backward gives y the gradient grad_out[i] × w_i (D_q,i − D_p,i).
at::Tensor score_difference_loss(const at::Tensor& y, const at::Tensor& teacher, const at::Tensor& fake,
                                 const at::Tensor& h, Normalisation normalisation);

}  // namespace onestep::kernels
