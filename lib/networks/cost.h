// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/classifier.h"
#include "networks/denoiser.h"

namespace onestep {

PassCost pass_cost(const SongUNet& network);
PassCost pass_cost(const Mlp& network);
PassCost pass_cost(const Denoiser& denoiser);  ///< of its network; 0 for an analytic one
PassCost pass_cost(const Classifier& classifier);

}  // namespace onestep
