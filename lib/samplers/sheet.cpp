// SPDX-License-Identifier: Apache-2.0
#include "samplers/sheet.h"

#include <algorithm>

#include "io/image.h"
#include "samplers/model_data.h"
#include "samplers/pictures.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

constexpr int64_t kColumns = 8;

}  // namespace

at::Tensor draw_sheet(const Denoiser& denoiser, const SamplerConfig& sampler, std::vector<int64_t> among,
                      const Workers& workers, const Codec& codec) {
  if (among.empty()) among = trained_classes(denoiser);
  const auto classes = std::min<int64_t>(static_cast<int64_t>(among.size()), 16);
  const int64_t rows = classes > 0 ? classes : kColumns;
  SampleRequest request{.seeds = consecutive_seeds(0, rows * kColumns)};
  for (int64_t i = 0; classes > 0 && i < rows * kColumns; ++i) request.classes.push_back(among[i / kColumns]);
  const SampleResult result = generate(denoiser, sampler, request, rows * kColumns, {}, workers);
  return io::image_grid(io::to_uint8(pictures_of(codec, result.samples, workers)), rows, kColumns);
}

at::Tensor sheet_of(const at::Tensor& samples, const Codec& codec) {
  const int64_t rows = std::min(kColumns, (samples.size(0) + kColumns - 1) / kColumns);
  const int64_t count = std::min(samples.size(0), rows * kColumns);
  return io::image_grid(io::to_uint8(pictures_of(codec, samples.detach().narrow(0, 0, count))), rows,
                        kColumns);
}

}  // namespace onestep
