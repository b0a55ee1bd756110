// SPDX-License-Identifier: Apache-2.0
#include "noise/weighting.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>

#include "config/named_rows.h"

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
  const Row* const row = config::find_row(kRows, name);
  TORCH_CHECK(row != nullptr, "loss_weight: no weighting named '", name, "'");
  return row->weight(sigma, sigma_data);
}

std::vector<std::string> loss_weight_names() {
  return config::names_of(kRows);
}

}  // namespace onestep
