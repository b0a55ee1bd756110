// SPDX-License-Identifier: Apache-2.0
// A part of the CUDA plugin: graphs come with LibTorch's CUDA half.
#include "kernels/cuda_graph_plugin.h"

#include <memory>
#include <string>

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

namespace onestep::kernels {
namespace {

using at::cuda::CUDAGraph;

/// Makes one stream wait for all that another one has been given so far.
void follow(const c10::cuda::CUDAStream& stream, const c10::cuda::CUDAStream& before) {
  at::cuda::CUDAEvent event;
  event.record(before);
  event.block(stream);
}

/// The stream on which work is recorded, and the memory that recordings share.
struct Recorder {
  c10::cuda::CUDAStream stream;
  c10::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();

  void rehearse(const Work& work) const {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(stream.device_index());
    follow(stream, current);
    {
      const c10::cuda::CUDAStreamGuard guard(stream);
      work();
    }
    follow(current, stream);
  }

  Work capture(const Work& work) const {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(stream.device_index());
    const auto graph = std::make_shared<CUDAGraph>();
    follow(stream, current);
    const c10::cuda::CUDAStreamGuard guard(stream);
    c10::cuda::CUDACachingAllocator::emptyCache();  // what rehearsals took: the recording takes as much of
                                                    // its own
    // Of this thread alone: the loader pins memory and NCCL looks after its work meanwhile.
    try {
      graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
    } catch (...) {
      abandon();
      throw;
    }
    return [graph] { graph->replay(); };
  }

  /// Ends a recording that has failed: the stream takes work again, and memory comes from where it always
  /// does.
  void abandon() const noexcept {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone) {
      cudaGraph_t broken = nullptr;
      cudaStreamEndCapture(stream, &broken);
      if (broken != nullptr) cudaGraphDestroy(broken);
    }
    cudaGetLastError();  // told by what was thrown
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(stream.device_index(), pool);
    } catch (const std::exception&) {
      // capture_end came that far itself
    }
  }
};

}  // namespace
}  // namespace onestep::kernels

const char* onestep_open_cuda_graphs(int device, onestep::kernels::GraphMaker* out) noexcept {
  using namespace onestep::kernels;
  thread_local std::string problem;
  try {
    const auto index = static_cast<c10::DeviceIndex>(device < 0 ? c10::cuda::current_device() : device);
    const auto recorder = std::make_shared<const Recorder>(
        Recorder{c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index)});
    *out = {.rehearse = [recorder](const Work& work) { recorder->rehearse(work); },
            .capture = [recorder](const Work& work) { return recorder->capture(work); }};
    return nullptr;
  } catch (const std::exception& error) {
    problem = error.what();
    return problem.c_str();
  }
}
