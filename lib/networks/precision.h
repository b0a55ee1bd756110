// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

/// In which numbers networks compute:
///
///   float32   IEEE's
///   tf32      float32 whose products a GPU reads with 10 bits of mantissa
///   bfloat16  activations and copies of the weights with 8 bits; twice the speed where the hardware has it
///   auto      bfloat16 on a device that is quick with it, else float32
///
/// In all of them float32 are: the weights that are trained, optimiser, averages, the gradients' sums, D's
/// preconditioning, losses, density ratios, logits, the statistics of norms and attention's softmax. None
/// needs loss scaling: bfloat16 has float32's range.
namespace onestep {

inline constexpr const char* kAutoPrecision = "auto";

/// All of the table.
std::vector<std::string> precision_names();

/// Activations of a network, and the weights that it computes with. Throws c10::Error for `auto`.
at::ScalarType network_type(const std::string& precision);

/// What `auto` is on a device; any other precision itself.
std::string resolved_precision(const std::string& precision, at::Device device);

/// Why a device can't compute so, or "". `precision` is a resolved one.
std::string precision_problem(const std::string& precision, at::Device device);

/// What is to be said of a choice that is possible and slow, or "".
std::string precision_warning(const std::string& precision, at::Device device);

}  // namespace onestep
