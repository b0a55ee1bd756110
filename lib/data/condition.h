// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

namespace onestep {

/// What the images of a batch are of, a row each; undefined where it plays no part.
struct Condition {
  at::Tensor classes;  ///< float [N, K], one-hot; a row of zeros: no class, as the null of guidance has it

  bool defined() const { return classes.defined(); }
};

/// The tensors of a condition through f, which is handed defined ones alone: on another device, some rows, …
template <class F>
Condition map_rows(const Condition& c, const F& f) {
  return {.classes = c.classes.defined() ? f(c.classes) : at::Tensor()};
}

/// The rows of one condition, then those of the other.
Condition cat(const Condition& first, const Condition& second);

/// As many rows of nothing: zeros, which a network that learnt without classes takes for none of them.
Condition null_like(const Condition& c);

/// Rows of `c`, and of `other` where chosen, bool [N], is true.
Condition where(const at::Tensor& chosen, const Condition& other, const Condition& c);

}  // namespace onestep
