// SPDX-License-Identifier: Apache-2.0
#include "tasks/context.h"

#include <c10/util/StringUtil.h>

#include "config/node.h"
#include "io/sha256.h"
#include "samplers/pictures.h"

namespace onestep {
namespace {

std::string describe(const ImageShape& shape) {
  return c10::str(shape.channels, "x", shape.height, "x", shape.width);
}

}  // namespace

ImageShape data_shape(const TaskContext& context) {
  const at::Tensor& images = context.data.images;
  return {images.size(1), images.size(2), images.size(3)};
}

bool has_pictures(const TaskContext& context) {
  return is_picture(picture_shape(context.codec, data_shape(context)));
}

void require_fit(const TaskContext& context, const std::string& what, const ImageShape& network,
                 int64_t labels) {
  const ImageShape shape = data_shape(context);
  if (!(network == shape)) {
    throw config::ConfigError(
        c10::str(what, " is for ", describe(network), " images, but the data has ", describe(shape)));
  }
  const auto classes = static_cast<int64_t>(context.data.class_names.size());
  if (labels != 0 && labels != classes) {
    throw config::ConfigError(
        c10::str(what, " has ", labels, " classes (label_dim), but the data has ", classes));
  }
}

Source source_file(const std::string& what, const std::string& path) {
  return {.what = what, .place = path, .sha256 = io::sha256_of_file(path)};
}

Condition condition_for(const Denoiser& denoiser, const Condition& condition) {
  return label_dim(denoiser) > 0 ? condition : Condition();
}

}  // namespace onestep
