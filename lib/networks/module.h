// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "io/safetensors.h"

/// A module is a plain struct of tensors and sub-modules with one function that names them:
///
///   template <class Self, class Visit> static void parameters(Self& m, Visit&& visit) {
///     visit("weight", m.weight);                // trained
///     visit("freqs", m.freqs, kBuffer);         // saved with the network, not trained
///     visit("levels", m.levels, kDerived);      // follows from the configuration: moved along, not saved
///     visit("conv0", m.conv0);                  // a sub-module: its names get the prefix "conv0."
///   }
///
/// Saving, loading, copying, counting and flattening all go through that function. Copying a module copies
/// handles; `clone` copies the numbers.
namespace onestep {

struct BufferTag {};
inline constexpr BufferTag kBuffer{};
struct DerivedTag {};
inline constexpr DerivedTag kDerived{};

template <class M, class Visit>
concept Module = requires(M& m, Visit& visit) {
  M::parameters(m, visit);
};

/// Calls f(path, tensor, is_buffer) for every defined tensor below a module, in the order of declaration; for
/// derived ones f(tensor), where f can be called so.
template <class F>
struct ModuleWalk {
  F& f;
  std::string prefix;

  void operator()(const std::string& name, at::Tensor& tensor) const {
    if (tensor.defined()) f(prefix + name, tensor, false);
  }
  void operator()(const std::string& name, at::Tensor& tensor, BufferTag) const {
    if (tensor.defined()) f(prefix + name, tensor, true);
  }
  void operator()(const std::string&, at::Tensor& tensor, DerivedTag) const {
    if constexpr (std::invocable<F&, at::Tensor&>) {
      if (tensor.defined()) f(tensor);
    }
  }
  template <class M>
  void operator()(const std::string& name, std::optional<M>& module) const {
    if (module) (*this)(name, *module);
  }
  template <class... M>
  void operator()(const std::string& name, std::variant<M...>& module) const {
    std::visit([&](auto& chosen) { (*this)(name, chosen); }, module);
  }
  template <class M>
  void operator()(const std::string& name, std::vector<std::pair<std::string, M>>& modules) const {
    for (auto& [key, module] : modules) (*this)(name + "." + key, module);
  }
  template <class M>
  void operator()(const std::string& name, M& module) const {
    M::parameters(module, ModuleWalk{f, prefix + name + "."});
  }
};

template <class M, class F>
void for_each_tensor(M& module, F&& f) {
  M::parameters(module, ModuleWalk<F>{f, ""});
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Every parameter and buffer with its official name, sharing storage with the module.
template <class M>
NamedTensors named_tensors(const M& module) {
  NamedTensors all;
  for_each_tensor(const_cast<M&>(module), [&](const std::string& path, at::Tensor& tensor, bool) {
    all.emplace_back(path, tensor.detach());
  });
  return all;
}

/// Their names alone.
template <class M>
std::set<std::string> tensor_names(const M& module) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : named_tensors(module)) names.insert(name);
  return names;
}

/// The number of trained scalars.
template <class M>
int64_t parameter_count(const M& module) {
  int64_t count = 0;
  for_each_tensor(const_cast<M&>(module), [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) count += tensor.numel();
  });
  return count;
}

/// A copy with numbers of its own, on `device` in `dtype` (both default to the module's own); no gradients.
template <class M>
M clone(const M& module, std::optional<at::Device> device = {}, std::optional<at::ScalarType> dtype = {}) {
  struct {
    std::optional<at::Device> device;
    std::optional<at::ScalarType> dtype;
    void operator()(const std::string&, at::Tensor& tensor, bool) const {
      tensor = tensor.detach().to(device.value_or(tensor.device()), dtype.value_or(tensor.scalar_type()),
                                  /*non_blocking=*/false, /*copy=*/true);
    }
    void operator()(at::Tensor& derived) const { derived = derived.to(device.value_or(derived.device())); }
  } const own{device, dtype};
  M copy = module;
  for_each_tensor(copy, own);
  return copy;
}

/// The file's tensor of that name, which must have these sizes and hold floating-point numbers. Throws
/// io::FileError naming the file, the tensor and both shapes.
const at::Tensor& tensor_of(const io::TensorFile& file, const std::string& name, at::IntArrayRef sizes);

/// Throws io::FileError where the file has tensors beside the known ones, which it names.
void refuse_others(const io::TensorFile& file, const std::set<std::string>& known);

/// The same module, sharing storage, whose parameters take no gradient.
template <class M>
M detached(const M& module) {
  M copy = module;
  for_each_tensor(copy, [](const std::string&, at::Tensor& tensor, bool) { tensor = tensor.detach(); });
  return copy;
}

/// The same module whose parameters are rounded to `dtype`, without gradient; buffers and derived tensors are
/// shared and keep their own.
template <class M>
M rounded(const M& module, at::ScalarType dtype) {
  M copy = module;
  for_each_tensor(copy, [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer) tensor = tensor.detach().to(dtype);
  });
  return copy;
}

/// A module whose tensors are copies of the file's, on `device` in `dtype`; the tensor that the module calls
/// `path` is the file's `name_in_file(path)`. Of `shapes`, which may be on at::kMeta, only shapes are used,
/// and all are compared before the first copy. A missing tensor or another shape is an io::FileError. Tensors
/// that the module lacks are ignored.
template <class M, std::invocable<const std::string&> Name>
M with_tensors_of(const io::TensorFile& file, M shapes, at::Device device, at::ScalarType dtype,
                  const Name& name_in_file) {
  for_each_tensor(shapes, [&](const std::string& path, at::Tensor& tensor, bool) {
    tensor = tensor_of(file, name_in_file(path), tensor.sizes());
  });
  return clone(shapes, device, dtype);
}

/// The same where the file's names are the module's behind `prefix`.
template <class M>
M with_tensors_of(const io::TensorFile& file, M shapes, at::Device device, at::ScalarType dtype = at::kFloat,
                  const std::string& prefix = "") {
  return with_tensors_of(file, std::move(shapes), device, dtype,
                         [&](const std::string& path) { return prefix + path; });
}

/// All parameters of a module as two flat vectors, values [P] and gradients [P], of which the module's
/// parameters become views: optimiser, EMA, clipping and all-reduce work on one tensor each. Each parameter
/// begins at a multiple of 64 bytes, as vector instructions like it, in float32 and in bfloat16; what lies
/// between is zero and stays so. Convolutions' weights lie channels-last, as the maps that they see.
struct FlatParameters {
  at::Tensor values, gradients;
};

/// Calls f(tensor, place) for every parameter with its place in flat storage; returns P.
template <class M, class F>
int64_t for_each_place(M& module, F&& f) {
  constexpr int64_t kAligned = 32;
  int64_t end = 0;
  for_each_tensor(module, [&](const std::string&, at::Tensor& tensor, bool is_buffer) {
    if (is_buffer) return;
    const int64_t place = (end + kAligned - 1) / kAligned * kAligned;
    end = place + tensor.numel();
    f(tensor, place);
  });
  return end;
}

/// The parameter of these sizes that begins at `place`.
inline at::Tensor parameter_at(const at::Tensor& flat, int64_t place, at::IntArrayRef sizes) {
  const at::Tensor numbers = flat.narrow(0, place, c10::multiply_integers(sizes));
  if (sizes.size() != 4) return numbers.view(sizes);
  return numbers.view({sizes[0], sizes[2], sizes[3], sizes[1]}).permute({0, 3, 1, 2});
}

/// Makes a module's parameters views of flat storage, whose numbers they take: leaves that accumulate into
/// flat.gradients, which may be of a wider type, or without gradient where that is undefined.
template <class M>
void attach(M& module, const FlatParameters& flat) {
  for_each_place(module, [&](at::Tensor& tensor, int64_t place) {
    at::Tensor value = parameter_at(flat.values, place, tensor.sizes()).detach();
    if (flat.gradients.defined()) {
      value.set_requires_grad(true);
      value.set_grad_dtype(flat.gradients.scalar_type());
      value.mutable_grad() = parameter_at(flat.gradients, place, tensor.sizes()).detach();
    }
    tensor = value;
  });
}

/// Moves a module's parameters into flat storage. `trained` ones become leaves that accumulate into
/// `gradients`; others carry no gradient, and `gradients` stays undefined.
template <class M>
FlatParameters flatten(M& module, bool trained = true) {
  std::vector<std::pair<at::Tensor, int64_t>> parameters;
  const int64_t size = for_each_place(
      module, [&](at::Tensor& tensor, int64_t place) { parameters.emplace_back(tensor.detach(), place); });
  FlatParameters flat;
  if (parameters.empty()) return flat;
  flat.values = at::zeros({size}, parameters.front().first.options());
  for (const auto& [parameter, place] : parameters)
    parameter_at(flat.values, place, parameter.sizes()).copy_(parameter);
  if (trained) flat.gradients = at::zeros_like(flat.values);
  attach(module, flat);
  return flat;
}

}  // namespace onestep
