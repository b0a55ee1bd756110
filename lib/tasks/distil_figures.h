// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "tasks/distil.h"
#include "training/figure.h"

namespace onestep {

/// Pictures of analytic data and what the student makes of them; none for other data. `images` are the
/// data's. What can't be drawn costs a warning: a picture never ends a run.
std::vector<Figure> distil_figures(const DistilConfig& config, const RunConfig& run, const Denoiser& teacher,
                                   const Student& student, const Fake& fake, const at::Tensor& images);

}  // namespace onestep
