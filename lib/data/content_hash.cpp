// SPDX-License-Identifier: Apache-2.0
#include "data/content_hash.h"

#include <string_view>

#include <c10/util/StringUtil.h>

#include "io/sha256.h"

namespace onestep {
namespace {

std::string sha256_of(const at::Tensor& values) {
  const at::Tensor whole = values.contiguous();
  return io::sha256(std::string_view(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()));
}

}  // namespace

std::string content_sha256(const Dataset& data) {
  return io::sha256(c10::str("onestep.data.1 ", data.images.scalar_type(), " ", data.images.sizes(), " ",
                             data.class_names.size(), " ", sha256_of(data.images), " ",
                             sha256_of(data.labels)));
}

}  // namespace onestep
