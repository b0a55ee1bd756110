// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>

#include "fuzz/fuzz.h"
#include "io/npy.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  std::string_view rest = bytes;
  try {
    io::read_npy(bytes.size(), [&](void* to, size_t size) {
      if (size > rest.size()) throw io::NpyError("is truncated");
      std::memcpy(to, rest.data(), size);
      rest.remove_prefix(size);
    });
  } catch (const io::NpyError&) {
  }
}

std::vector<std::string> seeds() {
  std::string fortran = io::npy_bytes(at::arange(6).to(at::kFloat).reshape({2, 3}));
  fortran.replace(fortran.find("False"), 5, "True ");
  return {io::npy_bytes(at::arange(6).reshape({2, 3})), io::npy_bytes(at::ones({}, at::kBool)), fortran};
}

}  // namespace onestep::fuzz
