// SPDX-License-Identifier: Apache-2.0
#include "parallel/nccl.h"

#include "kernels/cuda_plugin.h"
#include "parallel/nccl_plugin.h"

namespace onestep {

c10::intrusive_ptr<c10d::Backend> open_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            at::Device device, std::chrono::seconds patience) {
  c10::intrusive_ptr<c10d::Backend> backend;
  const auto open = reinterpret_cast<decltype(&onestep_open_nccl)>(kernels::cuda_symbol("onestep_open_nccl"));
  const char* const error = open(&store, rank, size, device.index(), patience.count(), &backend);
  TORCH_CHECK(error == nullptr, "NCCL: ", error);
  return backend;
}

}  // namespace onestep
