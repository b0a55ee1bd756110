// SPDX-License-Identifier: Apache-2.0
#include "distillation/diagnostics.h"

#include <cmath>
#include <cstdio>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/StringUtil.h>

namespace onestep {
namespace {

// What counts as healthy. A mean of r within a factor of two leaves the weights' order alone; below a tenth
// of the batch a few samples decide every step.
constexpr double kCalibrated = 2, kSmallestSample = 0.1, kMostClipped = 0.5, kFewSamples = 64;

void accumulate(at::Tensor& sum, const at::Tensor& value) {
  const at::Tensor v = value.detach().to(at::kFloat);
  sum = sum.defined() ? sum + v : v;
}

template <class Sums>
void accumulate(std::optional<Sums>& sum, Sums value) {
  if (sum) {
    *sum += value;
  } else {
    sum = std::move(value);
  }
}

std::vector<double> list_of(const at::Tensor& t) {
  const at::Tensor host = t.to(at::kCPU, at::kDouble).contiguous();
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
}

double number(const at::Tensor& t) {
  return t.item<double>();
}

std::string brief(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// The bin's noise levels in words.
std::string levels(const RatioConfig& config, size_t bin) {
  const double ratio = config.sigma_max / config.sigma_min, bins = static_cast<double>(config.bins);
  const auto edge = [&](size_t i) {
    return config.sigma_min * std::pow(ratio, static_cast<double>(i) / bins);
  };
  return brief("%.2g", edge(bin)) + " to " + brief("%.2g", edge(bin + 1));
}

void judge_ratio(const RatioConfig& config, const RatioSums& sums, Diagnosis& out) {
  const RatioDiagnostics d = ratio_diagnostics(sums);
  const std::vector<double> means = list_of(d.bin_mean), counts = list_of(sums.bins.count);
  const double ess = number(d.effective_sample_size), clipped = number(d.clip_rate);
  const double all = number(sums.bins.ratio.sum() / sums.bins.count.sum());
  out.values["ratio/mean"] = all;
  out.values["ratio/bin_mean"] = means;
  out.values["ratio/effective_sample_size"] = ess;
  out.values["ratio/clip_rate"] = clipped;
  out.values["ratio/student_logit"] = number(d.mean_logit);
  out.status +=
      "r " + brief("%.2f", all) + "  ess " + brief("%.2f", ess) + "  clip " + brief("%.2f", clipped);

  size_t worst = 0;
  double furthest = 0;
  for (size_t i = 0; i < means.size(); ++i) {
    const double off = std::abs(std::log(means[i]));
    if (counts[i] >= kFewSamples && off > furthest) furthest = off, worst = i;
  }
  if (furthest > std::log(kCalibrated)) {
    out.warnings.push_back("the density ratio is badly calibrated: at sigma " + levels(config, worst) +
                           " its mean over the student's images is " + brief("%.2g", means[worst]) +
                           ", and should be 1");
  }
  if (ess < kSmallestSample) {
    out.warnings.push_back("the effective sample size has collapsed to " + brief("%.1f", 100 * ess) +
                           " % of the batch: a few images carry all the weight");
  }
  if (clipped > kMostClipped) {
    out.warnings.push_back(
        brief("%.0f", 100 * clipped) +
        " % of the density ratios meet a bound: the discriminator tells student from data too easily");
  }
}

}  // namespace

void Diagnostics::add_ratio(const at::Tensor& logits, const at::Tensor& sigma, const at::Tensor& h) {
  accumulate(ratios, ratio_sums(logits, sigma, h, ratio));
}

void Diagnostics::add_real_logits(const at::Tensor& logits) {
  const at::Tensor logit = sample_logits(logits), finite = logit.isfinite();
  accumulate(real_logit, at::where(finite, logit, at::zeros_like(logit)).sum());
  accumulate(real_count, finite.sum());
}

void Diagnostics::add_gap(const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& sigma) {
  const at::Tensor norm = (teacher.detach() - fake.detach()).flatten(1).norm(2, 1) / sigma.square();
  accumulate(gaps, bin_sums(norm, sigma, ratio));
}

void Diagnostics::add_branches(const at::Tensor& integral, const at::Tensor& expanded) {
  const at::Tensor a = integral.flatten(1), b = expanded.flatten(1);
  const at::Tensor value = (a * b).sum(1) / (a.norm(2, 1) * b.norm(2, 1));
  const at::Tensor finite = value.isfinite();
  accumulate(cosine, at::where(finite, value, at::zeros_like(value)).sum());
  accumulate(cosine_count, finite.sum());
}

void Diagnostics::add_gradient(const at::Tensor& finite) {
  accumulate(bad_gradients, (~finite).sum());
  accumulate(gradients, at::zeros_like(finite).logical_not().sum());
}

Diagnostics& Diagnostics::operator+=(const Diagnostics& other) {
  if (other.ratios) accumulate(ratios, *other.ratios);
  if (other.gaps) accumulate(gaps, *other.gaps);
  for (const auto sum : {&Diagnostics::real_logit, &Diagnostics::real_count, &Diagnostics::bad_gradients,
                         &Diagnostics::gradients, &Diagnostics::cosine, &Diagnostics::cosine_count})
    if ((other.*sum).defined()) accumulate(this->*sum, other.*sum);
  return *this;
}

Diagnosis Diagnostics::take() {
  Diagnosis out;
  if (ratios) judge_ratio(ratio, *ratios, out);
  if (real_logit.defined()) {
    const double logit = number(real_logit / real_count);
    out.values["ratio/real_logit"] = logit;
    const double student = out.values.value("ratio/student_logit", NAN);
    out.status += std::string(out.status.empty() ? "" : "  ") + "logits " + brief("%+.2f", logit) + "/" +
                  brief("%+.2f", student);
  }
  if (gaps) {
    out.values["gap/bin_norm"] = list_of(gaps->ratio / gaps->count);
    out.status += std::string(out.status.empty() ? "" : "  ") + "gap " +
                  brief("%.3g", number(gaps->ratio.sum() / gaps->count.sum()));
  }
  if (cosine.defined() && number(cosine_count) > 0) {
    const double mean = number(cosine / cosine_count);
    out.values["gap/branch_cosine"] = mean;
    out.status += "  cos " + brief("%.2f", mean);
  }
  if (gradients.defined()) {
    const double share = number(bad_gradients / gradients);
    out.values["gradient/not_finite"] = share;
    if (share > 0) {
      out.warnings.push_back(brief("%.3g", 100 * share) +
                             " % of the images had a gradient that is not finite; they were left out");
    }
  }
  *this = Diagnostics{.ratio = ratio};
  return out;
}

}  // namespace onestep
