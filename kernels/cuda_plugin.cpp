// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_plugin.h"

#include <cstdlib>
#include <dlfcn.h>

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace onestep::kernels {
namespace {

/// float32 is float32 and not TF32, and the same work gives the same bits: a resumed run must equal an
/// unbroken one.
[[maybe_unused]] void make_repeatable() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // read when cuBLAS is first used
  allow_tf32(false);
  at::Context& context = at::globalContext();
  autotune_convolutions(false);
  context.setDeterministicCuDNN(true);
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);  // what adds by atomics otherwise
  context.setDeterministicFillUninitializedMemory(false);        // a costly aid for finding bugs
}

void* open_plugin() {
#ifdef ONESTEP_HAVE_CUDA
  // By its plain name: the executables' RPATH says where it lies, in the build tree and when installed. Its
  // symbols are made global because LibTorch's CUDA libraries look each other up by name.
  void* const plugin = dlopen("libonestep_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  TORCH_CHECK(plugin != nullptr, "device cuda: cannot load the CUDA kernels: ", dlerror());
  TORCH_CHECK(c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount() > 0,
              "device cuda: no NVIDIA GPU or driver was found on this machine");
  TORCH_CHECK(at::detail::getCUDAHooks().hasCUDA(),
              "device cuda: the CUDA kernels must be loaded before LibTorch is first used");
  make_repeatable();
  return plugin;
#else
  TORCH_CHECK(false, "device cuda: this build has no CUDA kernels (configure with -DONESTEP_CUDA=ON)");
#endif
}

/// Opened at the first call; tried again at the next one if that threw.
void* plugin() {
  static void* const opened = open_plugin();
  return opened;
}

}  // namespace

void load_cuda_plugin() {
  plugin();
}

void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuDNN(allowed);
  at::globalContext().setAllowTF32CuBLAS(allowed);
}

void autotune_convolutions(bool wanted) {
  at::globalContext().setBenchmarkCuDNN(wanted);
}

void* cuda_symbol(const char* name) {
  void* const symbol = dlsym(plugin(), name);
  TORCH_CHECK(symbol != nullptr, "device cuda: libonestep_cuda.so has no ", name, "; it is of another build");
  return symbol;
}

void* launcher_symbol(const char* name, at::Device device) {
  if (device.is_cuda()) return cuda_symbol(name);
  void* const symbol = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(symbol != nullptr, "device ", device, ": the executable has no ", name);
  return symbol;
}

void* current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

}  // namespace onestep::kernels
