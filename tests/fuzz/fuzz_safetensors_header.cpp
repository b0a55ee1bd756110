// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzz.h"
#include "io/safetensors_header.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  io::parse_header("fuzz", bytes, 48);
}

std::vector<std::string> seeds() {
  return {R"({"a":{"dtype":"F32","shape":[2,6],"data_offsets":[0,48]}})",
          R"({"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
          R"("b":{"dtype":"I64","shape":[0,9],"data_offsets":[1,1]},"c":{"dtype":"BF16","shape":[23],)"
          R"("data_offsets":[1,47]}})",
          R"({"a":{"dtype":"F32","shape":[9223372036854775807,3],"data_offsets":[0,18446744073709551615]}})"};
}

}  // namespace onestep::fuzz
