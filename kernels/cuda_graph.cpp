// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_graph.h"

#include "kernels/cuda_graph_plugin.h"
#include "kernels/cuda_plugin.h"

namespace onestep::kernels {

GraphMaker cuda_graphs(at::Device device) {
  GraphMaker maker;
  const auto open =
      reinterpret_cast<decltype(&onestep_open_cuda_graphs)>(cuda_symbol("onestep_open_cuda_graphs"));
  const char* const error = open(device.index(), &maker);
  TORCH_CHECK(error == nullptr, "CUDA graphs: ", error);
  return maker;
}

}  // namespace onestep::kernels
