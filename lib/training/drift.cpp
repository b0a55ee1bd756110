// SPDX-License-Identifier: Apache-2.0
#include "training/drift.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include "io/numerical_error.h"
#include "parallel/together.h"

namespace onestep {
namespace {

/// A number that another bit anywhere would change: the sum of a tensor's words.
at::Tensor fingerprint(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().view(-1);
  return flat.view(flat.element_size() % 4 == 0 ? at::kInt : at::kByte).sum(at::kLong);
}

}  // namespace

void require_same_state(const Communicator& ranks, const NamedTensors& state, int64_t nimg) {
  if (ranks.size == 1 || state.empty()) return;
  std::vector<at::Tensor> mine;
  for (const auto& [name, tensor] : state) mine.push_back(fingerprint(tensor.detach()));
  const at::Tensor all =
      gather(ranks, at::stack(mine).view({1, -1}), std::vector<int64_t>(ranks.size, 1)).cpu();
  together(ranks, [&] {
    for (int rank = 1; rank < ranks.size && ranks.rank == 0; ++rank)
      for (size_t i = 0; i < state.size(); ++i)
        if (all[rank][i].item<int64_t>() != all[0][i].item<int64_t>())
          throw NumericalError(c10::str("after ", nimg, " images rank ", rank, " has other numbers in ",
                                        state[i].first,
                                        " than rank 0: unlike processors, or a fault of one"));
  });
}

}  // namespace onestep
