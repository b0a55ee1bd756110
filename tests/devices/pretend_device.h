// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <c10/core/Device.h>

/// A device that finds, on a machine without a GPU, what the first run on one would stumble over. It computes
/// with the CPU's kernels, so that every result must have the CPU's bits, but it is as strict as CUDA:
/// - an operation takes tensors of this device and C++ numbers, nothing else: no 0-d tensor of the host
/// either,
///   which CUDA takes in some operations, and no index of the host, which it copies in silence;
/// - the addresses of its memory are none of the host's: who reads or writes one crashes;
/// - backward passes run in a thread of the device, as CUDA's do;
/// - whatever would make the host wait for a GPU is written down;
/// - new memory holds no zeros, but NaNs.
namespace onestep::test {

/// The device; the first call registers it as LibTorch's PrivateUse1 backend.
at::Device pretend_device();

/// What made the host wait since the last reset, one line each: numbers read by the host (item), copies to
/// the host, copies to the device that block or that start from memory which is not pinned, and operations
/// whose result's shape depends on values.
std::vector<std::string> pretend_syncs();
/// All copies from the host to the device since then, those that wait for nothing, too: a graph can't have
/// them.
std::vector<std::string> pretend_copies();
void reset_pretend_syncs();

/// The host's address of a device address, for launchers of our own kernels. Throws c10::Error for an address
/// that is not the device's: an argument that was left on the host.
void* host_address(const void* device_address);

}  // namespace onestep::test
