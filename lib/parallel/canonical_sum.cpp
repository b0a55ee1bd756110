// SPDX-License-Identifier: Apache-2.0
#include "parallel/canonical_sum.h"

#include <bit>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

namespace onestep {
namespace {

at::Tensor sum_of(const std::vector<at::Tensor>& terms, size_t begin, size_t end) {
  const size_t n = end - begin;
  if (n == 1) return terms[begin];
  const size_t half = std::bit_floor(n - 1);
  return sum_of(terms, begin, begin + half) + sum_of(terms, begin + half, end);
}

}  // namespace

at::Tensor canonical_sum(const std::vector<at::Tensor>& terms) {
  TORCH_CHECK(!terms.empty(), "canonical_sum: nothing to sum");
  return sum_of(terms, 0, terms.size());
}

at::Tensor add_rows(const at::Tensor& rows) {
  const int64_t n = rows.size(0);
  if (n == 1) return rows[0];
  const auto half = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(n - 1)));
  const at::Tensor left = add_rows(rows.narrow(0, 0, half));
  return at::Tensor(left).add_(add_rows(rows.narrow(0, half, n - half)));
}

void TreeSum::begin(int64_t n) {
  TORCH_CHECK(n >= 1, "TreeSum: a sum of at least 1 term, got ", n);
  const std::lock_guard lock(mutex_);
  for (auto& [node, sum] : waiting_) spare_.push_back(sum);
  waiting_.clear();
  count_ = n;
}

void TreeSum::add(int64_t i, const at::Tensor& term) {
  const c10::NoGradGuard no_grad;
  Node node{0, i};
  at::Tensor sum;  // of the subtree at `node`, in a buffer of ours; undefined while that is the term itself
  while ((int64_t{1} << node.level) < count_) {
    const int64_t sibling = node.place ^ 1;
    if (sibling << node.level < count_) {  // otherwise the parent holds this subtree alone
      at::Tensor other;
      {
        const std::lock_guard lock(mutex_);
        if (const auto found = waiting_.find({node.level, sibling}); found != waiting_.end()) {
          other = found->second;
          waiting_.erase(found);
        } else if (sum.defined()) {
          waiting_.emplace(node, sum);
          return;
        }
      }
      if (!other.defined()) {
        // Copied outside the lock; the sibling may have come meanwhile, so look again.
        sum = buffer_like(term).copy_(term);
        continue;
      }
      other.add_(sum.defined() ? sum : term);
      if (sum.defined()) {
        const std::lock_guard lock(mutex_);
        spare_.push_back(sum);
      }
      sum = other;
    }
    node = {node.level + 1, node.place / 2};
  }
  if (!sum.defined()) sum = buffer_like(term).copy_(term);
  const std::lock_guard lock(mutex_);
  waiting_.emplace(node, sum);
}

at::Tensor TreeSum::take() {
  const std::lock_guard lock(mutex_);
  int level = 0;
  while ((int64_t{1} << level) < count_) ++level;
  const auto root = waiting_.find({level, 0});
  TORCH_CHECK(root != waiting_.end() && waiting_.size() == 1, "TreeSum: not all ", count_,
              " terms are there");
  return root->second;
}

at::Tensor TreeSum::buffer_like(const at::Tensor& term) {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      const at::Tensor buffer = spare_.back();
      spare_.pop_back();
      if (buffer.sizes() == term.sizes() && buffer.options().type_equal(term.options())) return buffer;
    }
  }
  return at::empty_like(term);
}

}  // namespace onestep
