// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include <ATen/Version.h>

#include "kernels/winograd_conv_core.h"

namespace onestep::kernels {

/// The instructions that ATen uses, too: what narrows its choice narrows ours.
inline WinogradTarget winograd_target() {
  static const std::string capability = at::get_cpu_capability();
  return capability == "AVX512" ? WinogradTarget::avx512
         : capability == "AVX2" ? WinogradTarget::avx2
                                : WinogradTarget::baseline;
}

}  // namespace onestep::kernels
