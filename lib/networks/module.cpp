// SPDX-License-Identifier: Apache-2.0
#include "networks/module.h"

#include <c10/util/StringUtil.h>

namespace onestep {

void copy_tensor(const io::TensorFile& file, const std::string& name, at::Tensor& tensor) {
  const at::Tensor& source = file.at(name);
  if (source.sizes() != tensor.sizes()) {
    throw io::FileError(file.path, c10::str("tensor '", name, "' has shape ", source.sizes(),
                                            ", the network needs ", tensor.sizes()));
  }
  tensor.copy_(source);
}

}  // namespace onestep
