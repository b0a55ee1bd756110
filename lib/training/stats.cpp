// SPDX-License-Identifier: Apache-2.0
#include "training/stats.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {
namespace {

at::Tensor sum_of(const at::Tensor& values, const at::Tensor& keep) {
  const at::Tensor wide = values.to(at::kDouble);
  return at::where(keep, wide, at::zeros_like(wide)).sum();
}

}  // namespace

at::Tensor StepStats::any(const std::string& name) const {
  const auto found = std::ranges::find(values, name, &Value::name);
  TORCH_CHECK(found != values.end(), "StepStats: no value '", name, "'");
  return found->count > 0;
}

void StepStats::add(const std::string& name, const at::Tensor& value) {
  const at::Tensor number = value.detach(), finite = at::isfinite(number);
  values.push_back({name, sum_of(number, finite), finite.sum(), /*of_samples=*/false});
}

void StepStats::add(const std::string& name, const at::Tensor& numbers, const at::Tensor& keep) {
  const at::Tensor samples = numbers.detach(), meant = keep & at::isfinite(samples);
  values.push_back({name, sum_of(samples, meant), meant.sum(), /*of_samples=*/true});
}

void StepStats::add_update(const std::string& prefix, const at::Tensor& norm, const at::Tensor& row) {
  add(prefix + "grad_norm", norm);
  skipped.emplace_back(prefix, row.detach().clone());
}

void TickMeans::add(const StepStats& stats) {
  for (const StepStats::Value& value : stats.values) {
    const auto known = std::ranges::find(sums_, value.name, &Sum::name);
    if (known == sums_.end()) {
      sums_.push_back({value.name, value.sum.clone(), value.count.clone(), value.of_samples});
    } else {
      known->total += value.sum;
      known->count += value.count;
    }
  }
  for (const auto& [prefix, row] : stats.skipped) {
    const at::Tensor now = (row > 0).to(at::kLong);
    const auto known = std::ranges::find(skips_, prefix, &Skips::prefix);
    if (known == skips_.end()) {
      skips_.push_back({prefix, now, row});
    } else {
      known->here = known->here + now;
      known->row = row;
    }
  }
}

std::vector<std::pair<std::string, double>> TickMeans::take() {
  std::vector<std::pair<std::string, double>> taken;
  for (const Sum& sum : sums_) {
    const double count = sum.count.item<double>();
    taken.emplace_back(sum.name, sum.total.item<double>() / count);
    if (sum.of_samples) taken.emplace_back(sum.name + "/samples", count);
  }
  for (Skips& skips : skips_) {
    taken.emplace_back(skips.prefix + "skipped", skips.here.item<double>());
    skips.here = at::zeros_like(skips.here);
  }
  sums_.clear();
  return taken;
}

TickMeans::Row TickMeans::longest_row() const {
  Row longest;
  for (const Skips& skips : skips_) {
    const auto updates = static_cast<int64_t>(skips.row.item<double>());
    if (updates > longest.updates) longest = {skips.prefix, updates};
  }
  return longest;
}

}  // namespace onestep
