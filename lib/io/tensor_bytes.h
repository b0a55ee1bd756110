// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

#include <ATen/core/Tensor.h>

namespace onestep::io {

/// The memory of a contiguous tensor of the host, as long as the tensor lives.
inline std::string_view bytes_of(const at::Tensor& values) {
  return {static_cast<const char*>(values.const_data_ptr()), values.nbytes()};
}

}  // namespace onestep::io
