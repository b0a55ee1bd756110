// SPDX-License-Identifier: Apache-2.0
#include "noise/weighting.h"

#include <algorithm>
#include <iterator>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>

namespace onestep {
namespace {

struct Row {
  const char* name;
  at::Tensor (*weight)(const at::Tensor& sigma, double sigma_data);
};

constexpr Row kRows[] = {
    {"edm", [](const at::Tensor& sigma,
               double sigma_data) { return 1 / (sigma * sigma) + 1 / (sigma_data * sigma_data); }},
    {"none", [](const at::Tensor& sigma, double) { return at::ones_like(sigma); }},
    {"epsilon", [](const at::Tensor& sigma, double) { return 1 / (sigma * sigma); }},
};

}  // namespace

at::Tensor loss_weight(const std::string& name, const at::Tensor& sigma, double sigma_data) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
  TORCH_CHECK(row != std::end(kRows), "loss_weight: no weighting named '", name, "'");
  return row->weight(sigma, sigma_data);
}

std::vector<std::string> loss_weight_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

}  // namespace onestep
