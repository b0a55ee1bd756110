// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "config/check.h"

namespace onestep {

/// The key of networks whose blocks can be computed once more.
template <class Self, class Visit>
void recompute_field(Self& c, Visit&& visit) {
  visit("recompute", c.recompute,
        "what the backward pass computes once more instead of keeping it: none, or the inside of each "
        "residual block; less memory for a quarter more time, and the same bits",
        config::one_of({"none", "blocks"}), config::Role::free);
}

}  // namespace onestep
