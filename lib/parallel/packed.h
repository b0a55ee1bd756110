// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include "parallel/canonical_sum.h"

/// Reports of shards: structs of small tensors that add up. Each names its tensors in one function,
///
///   template <class Self, class Visit> static void numbers(Self& r, Visit&& visit) {
///     visit(r.sum);
///     visit(r.count);
///   }
///
/// the same ones for every shard of a step; undefined ones are passed over.
namespace onestep {

/// All numbers of a report as one float64 vector.
template <class R>
at::Tensor packed(const R& report) {
  std::vector<at::Tensor> all;
  R::numbers(const_cast<R&>(report), [&](at::Tensor& tensor) {
    if (tensor.defined()) all.push_back(tensor.detach().reshape(-1).to(at::kDouble));
  });
  return at::cat(all);
}

/// A report and its numbers: of `form` names, shapes and types are meant, and it holds no graph of autograd.
template <class R>
struct PackedReport {
  R form;
  at::Tensor numbers;
};

template <class R>
PackedReport<R> pack(R report) {
  const at::Tensor numbers = packed(report);
  R::numbers(report, [](at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.detach();
  });
  return {std::move(report), numbers};
}

/// A report of the same form as `like` with these numbers.
template <class R>
R unpacked(R like, const at::Tensor& numbers) {
  int64_t place = 0;
  R::numbers(like, [&](at::Tensor& tensor) {
    if (!tensor.defined()) return;
    const at::Tensor mine = numbers.narrow(0, place, tensor.numel());
    place += tensor.numel();
    tensor = mine.view(tensor.sizes()).to(tensor.scalar_type());
  });
  return like;
}

}  // namespace onestep
