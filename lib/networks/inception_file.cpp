// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>

#include "networks/inception.h"

namespace onestep {
namespace {

/// Where NVIDIA's file keeps the tensor that we call `ours`; "" for what it leaves out.
using Names = std::map<std::string, std::string>;

Names google_names(const Inception& m) {
  Names names = {{"fc.weight", "output.weight"}, {"fc.bias", "output.bias"}};
  for (const InceptionBlock& block : m.blocks) {
    for (const InceptionBranch& branch : block.branches) {
      for (const InceptionConv& conv : branch.convs) {
        const std::string google = "layers." + conv.google_name;
        names[conv.name + ".conv.weight"] = google + ".weight";
        names[conv.name + ".bn.weight"] = "";
        names[conv.name + ".bn.bias"] = google + ".beta";
        names[conv.name + ".bn.running_mean"] = google + ".mean";
        names[conv.name + ".bn.running_var"] = google + ".var";
      }
    }
  }
  return names;
}

void check_values(const io::TensorFile& file, const std::string& name, bool is_variance) {
  const auto fail = [&](const std::string& what) {
    throw io::FileError(file.path, "tensor '" + name + "' " + what);
  };
  const at::Tensor& values = file.at(name);
  if (!at::isfinite(values).all().item<bool>()) fail("holds numbers that are not finite");
  if (is_variance && values.min().item<double>() < 0) fail("holds a negative variance");
}

}  // namespace

Inception read_inception(const std::filesystem::path& path) {
  const io::TensorFile file = io::read_safetensors(path);
  Inception m = make_inception(at::kMeta);
  const bool google = file.has("layers.conv.weight");
  const Names names = google ? google_names(m) : Names();
  std::set<std::string> used;
  for_each_tensor(m, [&](const std::string& ours, at::Tensor& tensor, bool) {
    const std::string name = google ? names.at(ours) : ours;
    if (name.empty()) {
      tensor = at::ones(tensor.sizes());
      return;
    }
    tensor = tensor_of(file, name, tensor.sizes()).to(at::kFloat);
    check_values(file, name, ours.ends_with(".running_var"));
    used.insert(name);
  });
  for (const auto& [name, tensor] : file.tensors) {
    // PyTorch's batch norm counts the batches of its training; nothing depends on that.
    if (!used.contains(name) && !name.ends_with(".num_batches_tracked")) {
      throw io::FileError(path, "tensor '" + name + "' is not one of the FID Inception network's");
    }
  }
  return m;
}

}  // namespace onestep
