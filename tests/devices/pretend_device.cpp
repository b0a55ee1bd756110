// SPDX-License-Identifier: Apache-2.0
#include "devices/pretend_device.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <string_view>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/copy.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

namespace onestep::test {
namespace {

const at::Device kDevice(at::DeviceType::PrivateUse1, 0);

/// Set in every address of the device: no process has memory there, on x86-64 or AArch64.
constexpr uintptr_t kMark = uintptr_t{1} << 55;

void* mark(void* host) {
  return host == nullptr ? nullptr : reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(host) | kMark);
}

struct Notes {
  std::mutex mutex;  // the backward pass runs in another thread
  std::vector<std::string> lines, copies;
};

Notes& notes() {
  static Notes all;
  return all;
}

void note(const std::string& line) {
  const std::lock_guard lock(notes().mutex);
  notes().lines.push_back(line);
}

void note_copy(const std::string& line) {
  const std::lock_guard lock(notes().mutex);
  notes().copies.push_back(line);
}

/// Memory of the host that a GPU could read by itself, and which blocks of it there are.
class PinnedMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* const block = c10::alloc_cpu(size);
    const std::lock_guard lock(mutex());
    blocks().insert(block);
    return {block, block, &release, at::kCPU};
  }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
  static bool has(const void* block) {
    const std::lock_guard lock(mutex());
    return blocks().contains(block);
  }

 private:
  static void release(void* block) {
    {
      const std::lock_guard lock(mutex());
      blocks().erase(block);
    }
    c10::free_cpu(block);
  }
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static std::set<const void*>& blocks() {
    static std::set<const void*> all;
    return all;
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  bool isPinnedPtr(const void* block) const override { return PinnedMemory::has(block); }
  c10::Allocator* getPinnedMemoryAllocator() const override {
    static PinnedMemory memory;
    return &memory;
  }
};

/// One device with one stream, on which everything is done at once.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  using Stream = c10::Stream;
  at::DeviceType type() const override { return kDevice.type(); }
  at::Device exchangeDevice(at::Device) const override { return kDevice; }
  at::Device getDevice() const override { return kDevice; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  Stream getStream(at::Device) const override { return Stream(Stream::DEFAULT, kDevice); }
  Stream getDefaultStream(at::Device) const override { return Stream(Stream::DEFAULT, kDevice); }
  Stream exchangeStream(Stream stream) const override { return stream; }
  void* getStreamNativeHandle(const Stream) const override { return nullptr; }
  at::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const Stream&, const at::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override { note("a wait for the stream"); }
};
// When the program starts: the autograd engine counts devices at the first backward pass, of whatever device.
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

/// A tensor over `storage` of the shape of `like`.
at::Tensor over(c10::Storage storage, c10::DispatchKey key, const at::Tensor& like) {
  at::Tensor t =
      at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  t.unsafeGetTensorImpl()->set_storage_offset(like.storage_offset());
  t.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides());
  if (like.unsafeGetTensorImpl()->is_wrapped_number()) t.unsafeGetTensorImpl()->set_wrapped_number(true);
  return t;
}

/// The memory of another storage under an address and a device of its own; it lives as long as this does.
c10::DataPtr sharing(const c10::Storage& storage, void* address, at::Device device) {
  return {address, new c10::Storage(storage), [](void* held) { delete static_cast<c10::Storage*>(held); },
          device};
}

/// The device's view of a host tensor, and the host's of a device tensor: the same memory.
at::Tensor on_device(const at::Tensor& host) {
  const c10::Storage& s = host.storage();
  void* const address = mark(const_cast<void*>(s.data()));
  return over({c10::Storage::use_byte_size_t(), s.nbytes(), sharing(s, address, kDevice),
               c10::GetCPUAllocator(), /*resizable=*/true},
              c10::DispatchKey::PrivateUse1, host);
}

at::Tensor on_host(const at::Tensor& device) {
  const c10::Storage& s = device.storage();
  void* const address = s.data() == nullptr ? nullptr : host_address(s.data());
  return over({c10::Storage::use_byte_size_t(), s.nbytes(), sharing(s, address, at::kCPU),
               c10::GetCPUAllocator(), /*resizable=*/true},
              c10::DispatchKey::CPU, device);
}

/// One call of an operation: its tensors, lent to the CPU.
class Call {
 public:
  explicit Call(std::string name) : name_(std::move(name)) {}

  c10::IValue lend(const c10::IValue& argument) {
    if (argument.isTensor()) return lend(argument.toTensor());
    if (argument.isDevice()) return argument.toDevice().is_privateuseone() ? at::Device(at::kCPU) : argument;
    if (argument.isTensorList()) {
      c10::List<at::Tensor> lent;
      for (const at::Tensor& t : argument.toTensorVector()) lent.push_back(lend(t));
      return lent;
    }
    if (argument.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> lent;
      for (const std::optional<at::Tensor>& t : argument.toOptionalTensorVector())
        lent.push_back(t ? std::optional(lend_index(*t)) : std::nullopt);
      return lent;
    }
    return argument;
  }

  c10::IValue give_back(const c10::IValue& result) {
    if (result.isTensor()) return give_back(result.toTensor());
    if (result.isTensorList()) {
      c10::List<at::Tensor> given;
      for (const at::Tensor& t : result.toTensorVector()) given.push_back(give_back(t));
      return given;
    }
    note(name_ + ": the host reads its result");
    return result;
  }

  /// Arguments that the operation has resized.
  void settle() const {
    for (const auto& [device, host] : loans_) {
      c10::Storage held = device.storage();
      if (host.storage().data() != (held.data() == nullptr ? nullptr : host_address(held.data()))) {
        void* const address = mark(const_cast<void*>(host.storage().data()));
        held.set_data_ptr_noswap(sharing(host.storage(), address, kDevice));
        held.set_nbytes(host.storage().nbytes());
      }
      if (host.sizes() != device.sizes() || host.strides() != device.strides())
        device.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides());
    }
  }

 private:
  at::Tensor lend(const at::Tensor& t) {
    if (!t.defined()) return t;
    if (!t.is_privateuseone()) {
      TORCH_CHECK(t.unsafeGetTensorImpl()->is_wrapped_number(),
                  "Expected all tensors to be on the same device, but ", name_, " got tensors on ", kDevice,
                  " and one of shape ", t.sizes(), " on ", t.device());
      return t;
    }
    loans_.push_back({t, on_host(t)});
    return loans_.back().host;
  }

  at::Tensor lend_index(const at::Tensor& t) {
    if (t.defined() && (t.scalar_type() == at::kBool || t.scalar_type() == at::kByte))
      note(name_ + ": how many a mask selects");
    return lend(t);
  }

  at::Tensor give_back(const at::Tensor& result) {
    if (!result.defined()) return result;
    for (const auto& [device, host] : loans_) {
      if (result.is_same(host)) return device;
      if (result.storage().unsafeGetStorageImpl() == host.storage().unsafeGetStorageImpl())
        return over(device.storage(), c10::DispatchKey::PrivateUse1, result);
    }
    // Memory that nobody has written yet must not look like zeros.
    if (name_.starts_with("aten::empty") && result.storage().data() != nullptr)
      std::memset(result.storage().mutable_data(), 0xFF, result.storage().nbytes());
    return on_device(result);
  }

  struct Loan {
    at::Tensor device, host;
  };
  std::string name_;
  std::vector<Loan> loans_;
};

/// Operations whose result has a shape that depends on values.
bool shape_depends_on_values(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "aten::nonzero",    "aten::masked_select",      "aten::_unique",  "aten::_unique2",
      "aten::unique_dim", "aten::unique_consecutive", "aten::bincount", "aten::repeat_interleave"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

/// Any operation: by the CPU's kernel, on the same memory.
void run_on_host(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const std::string& name = op.schema().name();
  Call call(name);
  if (shape_depends_on_values(name)) note(name + ": the shape of its result");
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const auto last = [&](size_t count) { return stack->end() - static_cast<std::ptrdiff_t>(count); };
  for (auto argument = last(op.schema().arguments().size()); argument != stack->end(); ++argument)
    *argument = call.lend(*argument);
  op.callBoxed(stack);
  for (auto result = last(op.schema().returns().size()); result != stack->end(); ++result)
    *result = call.give_back(*result);
  call.settle();
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  const bool to_host = !self.is_privateuseone(), from_host = !source.is_privateuseone();
  if (self.numel() > 0 && to_host != from_host) {
    const std::string what = c10::str(" of ", source.scalar_type(), source.sizes());
    if (to_host)
      note("copy to the host" + what);
    else if (!non_blocking)
      note("blocking copy to the device" + what);
    else if (!source.is_pinned())
      note("copy to the device from memory that is not pinned" + what);
    if (from_host) note_copy("copy to the device" + what);
  }
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  at::Tensor destination = to_host ? self : on_host(self);
  destination.copy_(from_host ? source : on_host(source));
  return self;
}

/// Every operation that has a kernel for the CPU gets one here, as it would have one for CUDA; what LibTorch
/// composes of other operations stays composed of them.
void register_operations() {
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__,
                                __LINE__);
  std::set<std::string> names{"convolution", "convolution_backward"};  // chosen by device, far below
  for (const c10::OperatorName& name :
       c10::Dispatcher::singleton().getRegistrationsForDispatchKey(c10::DispatchKey::CPU)) {
    if (name.getNamespace() != "aten") continue;
    const std::string plain = name.name.substr(std::string_view("aten::").size());
    names.insert(name.overload_name.empty() ? plain : plain + "." + name.overload_name);
  }
  names.erase("copy_");
  for (const std::string& name : names)
    library.impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
  library.impl("copy_", TORCH_FN(copy));
}

}  // namespace

at::Device pretend_device() {
  static const bool registered = [] {
    c10::register_privateuse1_backend("pretend");
    at::RegisterPrivateUse1HooksInterface(new Hooks);  // which LibTorch never gives back
    register_operations();
    return true;
  }();
  static_cast<void>(registered);
  return kDevice;
}

std::vector<std::string> pretend_syncs() {
  const std::lock_guard lock(notes().mutex);
  return notes().lines;
}

std::vector<std::string> pretend_copies() {
  const std::lock_guard lock(notes().mutex);
  return notes().copies;
}

void reset_pretend_syncs() {
  const std::lock_guard lock(notes().mutex);
  notes().lines.clear();
  notes().copies.clear();
}

void* host_address(const void* device_address) {
  const auto address = reinterpret_cast<uintptr_t>(device_address);
  TORCH_CHECK((address & kMark) != 0, "an address of the host where one of ", kDevice, " is needed");
  return reinterpret_cast<void*>(address & ~kMark);
}

}  // namespace onestep::test
