// SPDX-License-Identifier: Apache-2.0
#include "data/content_hash.h"

#include <c10/util/StringUtil.h>

#include "io/sha256.h"
#include "io/tensor_bytes.h"

namespace onestep {
namespace {

std::string sha256_of(const at::Tensor& values) {
  return io::sha256(io::bytes_of(values.contiguous()));
}

}  // namespace

std::string content_sha256(const at::Tensor& images, const at::Tensor& labels, int64_t classes) {
  return io::sha256(c10::str("onestep.data.1 ", images.scalar_type(), " ", images.sizes(), " ", classes, " ",
                             sha256_of(images), " ", sha256_of(labels)));
}

std::string content_sha256(const Dataset& data) {
  if (data.content) return data.content->sha256;
  const std::string images =
      content_sha256(data.images, data.labels, static_cast<int64_t>(data.class_names.size()));
  return data.spread.defined() ? io::sha256(images + " " + sha256_of(data.spread)) : images;
}

}  // namespace onestep
