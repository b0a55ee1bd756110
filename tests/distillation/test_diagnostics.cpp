// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "distillation/diagnostics.h"
#include "toys.h"

using namespace onestep;
using namespace onestep::toys;

namespace {

constexpr int64_t kImages = 100;

/// Bins 0.01 … 1 … 100.
Diagnostics two_bins() {
  return {.ratio = {.minimum = 0.05, .maximum = 20, .bins = 2, .sigma_min = 0.01, .sigma_max = 100}};
}

at::Tensor all(double value) {
  return at::full({kImages}, value, at::kFloat);
}

/// What is said of a batch of logits at noise levels with weights.
Diagnosis said_of(const at::Tensor& logits, const at::Tensor& sigma, const at::Tensor& h) {
  Diagnostics d = two_bins();
  d.add_ratio(logits, sigma, h);
  return d.take();
}

std::vector<double> list(const Diagnosis& d, const std::string& key) {
  std::vector<double> values;
  for (const auto& value : d.values.at(key)) values.push_back(value.get<double>());
  return values;
}

at::Tensor images(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat).reshape({-1, 2, 1, 1});
}

}  // namespace

TEST_CASE("A healthy run is not warned of") {
  Diagnostics d = two_bins();
  const at::Tensor z = normal({}, kImages, 4), logits = 0.1 * z;
  d.add_ratio(logits, at::cat({all(0.1).slice(0, 0, 50), all(10).slice(0, 50)}), logits.exp());
  d.add_real_logits(logits + 0.2);
  d.add_gap(images({1, 2}), images({0, 1}), at::ones({1}));
  d.add_branches(images({1, 0}), images({1, 0.1}));
  d.add_gradient(at::ones({kImages}, at::kBool));
  const Diagnosis said = d.take();
  CHECK(said.warnings.empty());
  CHECK(said.values.at("gradient/not_finite") == 0);
  CHECK(said.values.at("ratio/clip_rate") == 0);
  CHECK(said.values.at("ratio/mean").get<double>() == Approx(1).epsilon(0.05));
  CHECK(said.values.at("ratio/effective_sample_size").get<double>() > 0.95);
  const double student = logits.mean().item<double>();
  CHECK(said.values.at("ratio/student_logit").get<double>() == Approx(student).margin(1e-6));
  CHECK(said.values.at("ratio/real_logit").get<double>() == Approx(student + 0.2).margin(1e-6));
  for (const char* word : {"r ", "ess ", "clip ", "logits ", "gap ", "cos "})
    CHECK_THAT(said.status, Catch::Contains(word));
}

TEST_CASE("A badly calibrated ratio is named with its noise levels and mean") {
  const at::Tensor sigma = at::cat({all(0.1), all(10)});
  // Right at low noise, three times too large at high noise.
  const Diagnosis high = said_of(at::cat({all(0), all(std::log(3.0))}), sigma, at::ones({2 * kImages}));
  REQUIRE(high.warnings.size() == 1);
  CHECK_THAT(high.warnings[0], Catch::Contains("badly calibrated") && Catch::Contains("sigma 1 to 1e+02") &&
                                   Catch::Contains(" is 3,"));
  CHECK(list(high, "ratio/bin_mean")[0] == Approx(1));
  CHECK(list(high, "ratio/bin_mean")[1] == Approx(3));
  // The worst bin is the one that is told; too small counts as much as too large.
  const Diagnosis low =
      said_of(at::cat({all(-std::log(4.0)), all(std::log(3.0))}), sigma, at::ones({2 * kImages}));
  REQUIRE(low.warnings.size() == 1);
  CHECK_THAT(low.warnings[0], Catch::Contains("sigma 0.01 to 1 ") && Catch::Contains(" is 0.25,"));
  // Within a factor of two, and with few samples, nothing is said.
  CHECK(said_of(all(std::log(1.9)), all(0.1), all(1)).warnings.empty());
  CHECK(said_of(all(-std::log(1.9)), all(0.1), all(1)).warnings.empty());
  CHECK(said_of(all(std::log(3.0)).slice(0, 0, 63), all(0.1).slice(0, 0, 63), all(1).slice(0, 0, 63))
            .warnings.empty());
  CHECK(said_of(all(std::log(3.0)).slice(0, 0, 64), all(0.1).slice(0, 0, 64), all(1).slice(0, 0, 64))
            .warnings.size() == 1);
}

TEST_CASE("A collapsed effective sample size is told in per cent") {
  at::Tensor h = at::zeros({kImages});
  h.slice(0, 0, 5).fill_(1);
  const Diagnosis collapsed = said_of(all(0), all(0.1), h);
  REQUIRE(collapsed.warnings.size() == 1);
  CHECK_THAT(collapsed.warnings[0],
             Catch::Contains("effective sample size") && Catch::Contains("5.0 % of the batch"));
  h.slice(0, 0, 12).fill_(1);
  CHECK(said_of(all(0), all(0.1), h).warnings.empty());
}

TEST_CASE("Ratios that meet their bounds are told in per cent") {
  at::Tensor logits = at::zeros({kImages});
  logits.slice(0, 0, 30).fill_(6);     // the ratio's upper bound is 20
  logits.slice(0, 30, 60).fill_(-20);  // the lower one 0.05
  const Diagnosis clipped = said_of(logits, all(0.1), all(1));
  CHECK(clipped.values.at("ratio/clip_rate").get<double>() == Approx(0.6));
  REQUIRE(clipped.warnings.size() == 2);  // the mean is 6.4 as well
  CHECK_THAT(clipped.warnings[0], Catch::Contains("calibrated") && Catch::Contains("is 6.4,"));
  CHECK_THAT(clipped.warnings[1], Catch::Contains("60 % of the density ratios meet a bound"));
  logits = at::zeros({kImages});
  logits.slice(0, 0, 45).fill_(-20);
  CHECK(said_of(logits, all(0.1), all(1)).warnings.empty());
}

TEST_CASE("Images whose numbers are not finite are counted and warned of") {
  Diagnostics d = two_bins();
  d.add_gradient(at::tensor({1, 1, 0, 1, 1, 0, 1, 1}).to(at::kBool));
  d.add_gradient(at::ones({8}, at::kBool));
  const Diagnosis some = d.take();
  CHECK(some.values.at("gradient/not_finite") == 0.125);
  REQUIRE(some.warnings.size() == 1);
  CHECK_THAT(some.warnings[0], Catch::StartsWith("12.5 % of the images"));
  d.add_gradient(at::ones({8}, at::kBool));
  CHECK(d.take().warnings.empty());
}

TEST_CASE("The gap's norm is that of (D_p - D_q)/sigma^2, by bin") {
  Diagnostics d = two_bins();
  d.add_gap(images({3, 4, 1, 1}), images({0, 0, 1, 0}), at::tensor({0.5f, 2.f}));
  d.add_gap(images({0, 6}), images({8, 0}), at::tensor({0.1f}));
  const Diagnosis said = d.take();
  CHECK(list(said, "gap/bin_norm")[0] == Approx((5 / 0.25 + 10 / 0.01) / 2));
  CHECK(list(said, "gap/bin_norm")[1] == Approx(1 / 4.0));
  CHECK_THAT(said.status, Catch::Contains("gap 340"));  // (20 + 1000 + 0.25) / 3
}

TEST_CASE("The branches' cosine is a mean over images, without those that have none") {
  Diagnostics d = two_bins();
  d.add_branches(images({1, 0, 1, 1}), images({2, 2, -3, -3}));
  CHECK(d.take().values.at("gap/branch_cosine").get<double>() == Approx((std::sqrt(0.5) - 1) / 2));
  d.add_branches(images({1, 0, 0, 0}), images({2, 0, 1, 1}));  // 0 has no direction
  d.add_branches(images({1, 0, 3, 4}), images({NAN, 0, 3, -4}));
  CHECK(d.take().values.at("gap/branch_cosine").get<double>() == Approx((1 - 7 / 25.0) / 2));
  d.add_branches(images({0, 0}), images({1, 1}));
  CHECK_FALSE(d.take().values.contains("gap/branch_cosine"));
}

TEST_CASE("A tick tells of the time since the last one, however it was cut") {
  Diagnostics whole = two_bins(), parts = two_bins();
  const at::Tensor logits = normal({2}, kImages, 1), sigma = normal({}, kImages, 2).exp();
  const at::Tensor h = normal({}, kImages, 3).exp();
  whole.add_ratio(logits, sigma, h);
  whole.add_real_logits(logits);
  parts.add_ratio(all(3), all(3), all(3));
  parts.add_real_logits(all(3));
  parts.add_gap(images({1, 2}), images({0, 1}), at::ones({1}));
  parts.add_branches(images({1, 0}), images({1, 0.1}));
  parts.add_gradient(at::zeros({8}, at::kBool));
  parts.take();
  for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 30}, {30, kImages}}) {
    parts.add_ratio(logits.slice(0, first, last), sigma.slice(0, first, last), h.slice(0, first, last));
    parts.add_real_logits(logits.slice(0, first, last));
  }
  const Diagnosis a = whole.take(), b = parts.take();
  REQUIRE(a.values.size() == 6);
  REQUIRE(b.values.size() == a.values.size());
  for (const auto& item : a.values.items()) {
    INFO(item.key());
    if (item.value().is_array()) {
      for (size_t i = 0; i < 2; ++i)
        CHECK(list(b, item.key())[i] == Approx(list(a, item.key())[i]).epsilon(1e-5));
    } else {
      CHECK(b.values.at(item.key()).get<double>() == Approx(item.value().get<double>()).epsilon(1e-5));
    }
  }
  CHECK(parts.ratio.bins == 2);  // the configuration stays
  const Diagnosis nothing = parts.take();
  CHECK(nothing.values.empty());
  CHECK(nothing.status.empty());
  CHECK(nothing.warnings.empty());
}

TEST_CASE("What is not known is null in the log's line") {
  Diagnostics d = two_bins();
  d.add_ratio(all(0), all(0.1), all(1));
  d.add_gap(images({1, 0}), images({0, 0}), at::tensor({10.f}));
  const Diagnosis said = d.take();
  CHECK(said.warnings.empty());
  CHECK(said.values.at("ratio/bin_mean").dump() == "[1.0,null]");
  CHECK(nlohmann::json::parse(said.values.dump()).at("gap/bin_norm")[0].is_null());
  d.add_real_logits(at::ones({4, 2}));
  const Diagnosis real = d.take();
  CHECK(real.values.at("ratio/real_logit") == 1);
  CHECK_THAT(real.status, Catch::StartsWith("logits +1.00"));
}
