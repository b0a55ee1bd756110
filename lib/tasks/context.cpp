// SPDX-License-Identifier: Apache-2.0
#include "tasks/context.h"

#include <c10/util/StringUtil.h>

#include "config/node.h"
#include "io/image.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

std::string describe(const ImageShape& shape) {
  return c10::str(shape.channels, "x", shape.height, "x", shape.width);
}

}  // namespace

void require_fit(const TaskContext& context, const std::string& what, const ImageShape& network,
                 int64_t labels) {
  if (!(network == context.shape)) {
    throw config::ConfigError(
        c10::str(what, " is for ", describe(network), " images, but the data has ", describe(context.shape)));
  }
  if (labels != 0 && labels != context.classes) {
    throw config::ConfigError(
        c10::str(what, " has ", labels, " classes (label_dim), but the data has ", context.classes));
  }
}

at::Tensor labels_for(const Denoiser& denoiser, const at::Tensor& one_hot) {
  return label_dim(denoiser) > 0 ? one_hot : at::Tensor();
}

at::Tensor draw_sheet(const Denoiser& denoiser, const SamplerConfig& sampler) {
  constexpr int64_t kColumns = 8;
  const int64_t classes = std::min<int64_t>(label_dim(denoiser), 16);
  const int64_t rows = classes > 0 ? classes : kColumns;
  SampleRequest request{.seeds = consecutive_seeds(0, rows * kColumns)};
  for (int64_t i = 0; classes > 0 && i < rows * kColumns; ++i) request.classes.push_back(i / kColumns);
  const SampleResult result = generate(denoiser, sampler, request, rows * kColumns);
  return io::image_grid(io::to_uint8(result.samples), rows, kColumns);
}

}  // namespace onestep
