// SPDX-License-Identifier: Apache-2.0
#include "noise/weighting.h"

#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>

#include "config/named_rows.h"

namespace onestep {
namespace {

constexpr const char* kNative = "native";
constexpr double kHalfPi = std::numbers::pi / 2;

struct Row {
  const char* name;
  at::Tensor (*weight)(const at::Tensor& sigma, double sigma_data);
};

constexpr Row kRows[] = {
    {"edm", [](const at::Tensor& sigma,
               double sigma_data) { return 1 / (sigma * sigma) + 1 / (sigma_data * sigma_data); }},
    {"none", [](const at::Tensor& sigma, double) { return at::ones_like(sigma); }},
    {"epsilon", [](const at::Tensor& sigma, double) { return 1 / (sigma * sigma); }},
    {"v", [](const at::Tensor& sigma, double) { return 1 / (sigma * sigma) + 1; }},
    {"flow", [](const at::Tensor& sigma, double) { return (1 / sigma + 1).square(); }},
    {"gvp", [](const at::Tensor& sigma, double) { return kHalfPi * kHalfPi * (1 / (sigma * sigma) + 1); }},
};

}  // namespace

at::Tensor loss_weight(const std::string& name, const at::Tensor& sigma,
                       const PreconditioningConfig& preconditioning) {
  const Row* const row =
      config::find_row(kRows, name == kNative ? native_weighting(preconditioning.rule) : name);
  TORCH_CHECK(row != nullptr, "loss_weight: no weighting named '", name, "'");
  return row->weight(sigma, preconditioning.sigma_data);
}

std::vector<std::string> loss_weight_names() {
  std::vector<std::string> names = config::names_of(kRows);
  names.emplace_back(kNative);
  return names;
}

}  // namespace onestep
