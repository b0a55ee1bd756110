// SPDX-License-Identifier: Apache-2.0
#include "networks/module.h"

#include <c10/util/StringUtil.h>

#include "config/printable.h"
#include "config/suggest.h"

namespace onestep {

const at::Tensor& tensor_of(const io::TensorFile& file, const std::string& name, at::IntArrayRef sizes) {
  const at::Tensor& found = file.at(name);
  if (found.sizes() != sizes) {
    throw io::FileError(
        file.path, c10::str("tensor '", name, "' has shape ", found.sizes(), ", the network needs ", sizes));
  }
  if (!found.is_floating_point())
    throw io::FileError(file.path, "tensor '" + name + "' does not hold floating-point numbers");
  return found;
}

void refuse_others(const io::TensorFile& file, const std::set<std::string>& known) {
  constexpr size_t kMostNamed = 3;
  std::vector<std::string> others;
  for (const auto& [name, tensor] : file.tensors)
    if (!known.contains(name)) others.push_back("'" + config::printable(name) + "'");
  if (!others.empty())
    throw io::FileError(file.path, "its network lacks a place for " + config::listed(others, kMostNamed));
}

}  // namespace onestep
