// SPDX-License-Identifier: Apache-2.0
#include "networks/module.h"

#include <c10/util/StringUtil.h>

namespace onestep {

const at::Tensor& tensor_of(const io::TensorFile& file, const std::string& name, at::IntArrayRef sizes) {
  const at::Tensor& found = file.at(name);
  if (found.sizes() != sizes) {
    throw io::FileError(
        file.path, c10::str("tensor '", name, "' has shape ", found.sizes(), ", the network needs ", sizes));
  }
  return found;
}

}  // namespace onestep
