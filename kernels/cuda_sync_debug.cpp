// SPDX-License-Identifier: Apache-2.0
// A part of the CUDA plugin: only what links LibTorch's CUDA half reaches this setting.
#include <c10/cuda/CUDAFunctions.h>

extern "C" void onestep_warn_on_sync(bool on) {
  using c10::cuda::SyncDebugMode;
  c10::cuda::warning_state().set_sync_debug_mode(on ? SyncDebugMode::L_WARN : SyncDebugMode::L_DISABLED);
}
