// SPDX-License-Identifier: Apache-2.0
#include "networks/precision.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Exception.h>

#include "config/named_rows.h"

namespace onestep {
namespace {

struct Precision {
  std::string_view name;
  at::ScalarType type;
};
constexpr Precision kPrecisions[] = {
    {"float32", at::kFloat},
    {"tf32", at::kFloat},
    {"bfloat16", at::kBFloat16},
};

/// Whether a device multiplies bfloat16 in hardware: CUDA from Ampere on, and CPUs with AVX-512 BF16, which
/// all with AMX have.
bool has_bfloat16(at::Device device) {
  if (device.is_cuda()) {
    const auto& cuda = at::detail::getCUDAHooks();
    return !cuda.hasCUDA() || cuda.supportsBFloat16ConvolutionWithCuDNNv8();  // without one, a plan for one
  }
#if defined(__x86_64__)
  return device.is_cpu() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace

std::vector<std::string> precision_names() {
  std::vector<std::string> names = config::names_of(kPrecisions);
  names.emplace_back(kAutoPrecision);
  return names;
}

at::ScalarType network_type(const std::string& precision) {
  const Precision* const row = config::find_row(kPrecisions, precision);
  TORCH_CHECK(row != nullptr, "network_type: '", precision, "' is not resolved");
  return row->type;
}

std::string resolved_precision(const std::string& precision, at::Device device) {
  if (precision != kAutoPrecision) return precision;
  return has_bfloat16(device) ? "bfloat16" : "float32";
}

std::string precision_problem(const std::string& precision, at::Device device) {
  if (precision == "tf32" && !device.is_cuda())
    return "tf32 is of CUDA devices; a CPU computes in float32 or bfloat16";
  if (precision == "bfloat16" && device.is_cuda() && !has_bfloat16(device))
    return "this GPU has no bfloat16; take float32";
  return "";
}

std::string precision_warning(const std::string& precision, at::Device device) {
  if (precision != "bfloat16" || has_bfloat16(device)) return "";
  return "this CPU has no bfloat16 in hardware (avx512_bf16): many times slower than float32 here";
}

}  // namespace onestep
