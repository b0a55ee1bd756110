// SPDX-License-Identifier: Apache-2.0
#include "losses/score_difference.h"

#include <ATen/TensorOperators.h>

#include "config/suggest.h"

namespace onestep {
namespace {

using kernels::Normalisation;

struct Scale {
  const char* name;
  Normalisation normalisation;  // what the kernel divides by
  bool by_variance;             // what this file divides by: a function of σ alone
};

constexpr Scale kScales[] = {
    {"none", Normalisation::none, false},
    {"variance", Normalisation::none, true},
    {"dmd", Normalisation::dmd, false},
    {"sid", Normalisation::sid, false},
};

const Scale& find_scale(const std::string& name) {
  for (const Scale& scale : kScales) {
    if (scale.name == name) return scale;
  }
  TORCH_CHECK(false, "score_difference: unknown normalisation '", name, "'",
              config::suggestion(name, normalisations(), "known"));
}

at::Tensor scaled_weight(const Scale& scale, const at::Tensor& h, const at::Tensor& sigma) {
  TORCH_CHECK(h.sizes() == sigma.sizes(), "score_difference: h is ", h.sizes(), ", sigma ", sigma.sizes());
  return scale.by_variance ? h / sigma.square() : h;
}

}  // namespace

std::vector<std::string> normalisations() {
  std::vector<std::string> names;
  for (const Scale& scale : kScales) names.emplace_back(scale.name);
  return names;
}

kernels::ScoreDifference score_difference(const ScoreDifferenceConfig& config, const at::Tensor& y,
                                          const at::Tensor& teacher, const at::Tensor& fake,
                                          const at::Tensor& sigma, const at::Tensor& h) {
  const Scale& scale = find_scale(config.normalisation);
  return kernels::score_difference(y, teacher, fake, scaled_weight(scale, h, sigma), scale.normalisation);
}

at::Tensor score_difference_loss(const ScoreDifferenceConfig& config, const at::Tensor& y,
                                 const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& sigma,
                                 const at::Tensor& h) {
  const Scale& scale = find_scale(config.normalisation);
  return kernels::score_difference_loss(y, teacher, fake, scaled_weight(scale, h, sigma),
                                        scale.normalisation);
}

at::Tensor normalise_by_mean(const at::Tensor& h, const std::optional<at::Tensor>& mean) {
  return h / (mean.value_or(h.mean()) + 1e-6);
}

}  // namespace onestep
