// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

/// Sums whose bits do not depend on who computes the terms, nor when. Floating-point addition commutes but
/// does not associate: what has to be fixed is the shape of the tree. Here term i of n is leaf i of the
/// binary tree that is split at the largest power of two below n:
///
///   n = 7:  ((0 + 1) + (2 + 3)) + ((4 + 5) + 6)
///
/// so that a power of two of consecutive terms from a multiple of it on is a subtree.
namespace onestep {

/// The sum of tensors of one shape and dtype, at least one, in that order. Reads them alone.
at::Tensor canonical_sum(const std::vector<at::Tensor>& terms);

/// The same sum of rows [n, …], n >= 1, in the first of them: no memory is taken, and the others are
/// overwritten.
at::Tensor add_rows(const at::Tensor& rows);

/// The same sum of n terms that arrive in any order, from any thread. Where they are taken in order by w
/// threads about w + log2 n buffers are held, w log2 n at most; they are kept for the next sum.
class TreeSum {
 public:
  /// Begins a sum of n >= 1 terms.
  void begin(int64_t n);
  /// Adds term i, which is read and stays the caller's. Each i in [0, n) once; of one shape and dtype.
  void add(int64_t i, const at::Tensor& term);
  /// The sum, once all terms are there (c10::Error before that); valid until the next begin().
  at::Tensor take();

 private:
  struct Node {
    int level;
    int64_t place;
    auto operator<=>(const Node&) const = default;
  };
  at::Tensor buffer_like(const at::Tensor& term);

  std::mutex mutex_;
  int64_t count_ = 0;
  std::map<Node, at::Tensor> waiting_;  // sums of subtrees whose sibling is not there yet
  std::vector<at::Tensor> spare_;
};

}  // namespace onestep
