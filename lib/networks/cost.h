// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "networks/classifier.h"
#include "networks/denoiser.h"

namespace onestep {

PassCost pass_cost(const Classifier& classifier);

}  // namespace onestep
