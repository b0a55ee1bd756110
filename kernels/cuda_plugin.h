// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/util/Exception.h>

/// CUDA code lives in a shared library, libonestep_cuda.so, which brings LibTorch's CUDA half with it.
/// Executables link neither: they start faster, and one build runs on machines with and without a GPU.
namespace onestep::kernels {

/// Loads the CUDA kernels and LibTorch's CUDA backend, and sets the latter to float32 without TF32 and to
/// algorithms that give the same bits again; later calls cost nothing. An app that is asked for a
/// CUDA device calls it first of all, since LibTorch looks for the backend once, at its first use of any
/// accelerator hook. Throws c10::Error with one clear line when the build has no CUDA kernels, a library
/// cannot be loaded, or there is no GPU or driver.
void load_cuda_plugin();

/// Whether CUDA may round what products of float32 read to TF32: loading the plugin forbids it.
void allow_tf32(bool allowed);

/// Whether cuDNN times its convolutions where it first meets a shape and takes the quickest, of those that
/// add in a fixed order: within a process the same work gives the same bits still, another start may choose
/// others.
void autotune_convolutions(bool wanted);

/// The launcher of that name in the plugin. Throws c10::Error when it is missing.
void* cuda_symbol(const char* name);

/// Whether kernels run on the device by launchers: CUDA, and the device that the tests pretend to have
/// (tests/devices), whose launchers are in the executable.
inline bool has_launchers(at::Device device) {
  return device.is_cuda() || device.is_privateuseone();
}

/// The device's launcher of that name. Throws c10::Error when it is missing.
void* launcher_symbol(const char* name, at::Device device);

/// The stream that LibTorch currently uses on that device; on CUDA a cudaStream_t.
void* current_stream(at::Device device);

/// Calls a launcher on LibTorch's current stream of the device. Launchers are extern "C" functions that take
/// raw pointers and sizes, then the stream, and return nullptr or CUDA's error message, which is thrown as
/// c10::Error.
template <class Launcher, class... Arguments>
void launch(const char* name, at::Device device, Arguments... arguments) {
  const auto launcher = reinterpret_cast<Launcher*>(launcher_symbol(name, device));
  const c10::DeviceGuard guard(device);
  const char* const error = launcher(arguments..., current_stream(device));
  TORCH_CHECK(error == nullptr, name, ": ", error);
}

}  // namespace onestep::kernels
