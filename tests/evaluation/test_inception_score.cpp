// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <catch2/catch.hpp>

#include "evaluation/inception_score.h"
#include "evaluation/random_features.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

TEST_CASE("the Inception Score is that of the reference, whatever the splits and the order") {
  const auto file =
      io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/evaluation/inception_score.safetensors");
  const at::Tensor permutation = file.at("permutation").to(at::kLong);
  for (const int64_t splits : {1, 7, 10})
    for (const bool shuffled : {false, true}) {
      const std::string name =
          "splits" + std::to_string(splits) + (shuffled ? "_shuffled" : "_plain");  // [mean, sd]
      CAPTURE(name);
      const InceptionScore is =
          inception_score(file.at("logits"), splits, shuffled ? permutation : at::Tensor());
      const at::Tensor expected = file.at("value/" + name);
      CHECK(is.score.value == Approx(expected[0].item<double>()).margin(1e-9));
      CHECK(is.sd == Approx(expected[1].item<double>()).margin(1e-9));
      CHECK(is.splits.size() == static_cast<size_t>(splits));
      CHECK(is.score.se.has_value() == (splits > 1));
    }
}

TEST_CASE("certain and even classes score K, equal predictions 1") {
  constexpr int64_t kClasses = 7;
  // Softmax gives exact zeros here: 0 log 0 is 0.
  const at::Tensor certain = at::eye(kClasses, at::kDouble).repeat({20, 1}) * 3000.0;
  CHECK(inception_score(certain).score.value == Approx(kClasses).epsilon(1e-14));
  CHECK(inception_score(certain.to(at::kFloat), 1).score.value == Approx(kClasses).epsilon(1e-14));
  const at::Tensor sorted = certain.index_select(0, certain.argmax(1).argsort());
  CHECK(inception_score(sorted, kClasses).score.value == Approx(1.0).epsilon(1e-14));
  CHECK(inception_score(normal_features(1, 1, 9).repeat({50, 1})).score.value == Approx(1.0).epsilon(1e-13));
  CHECK(inception_score(at::full({30, 4}, -2.5, at::kDouble)).sd < 1e-14);
}

TEST_CASE("a constant added to a sample's logits changes nothing") {
  const at::Tensor logits = normal_features(2, 120, 6) * 2.0;
  const InceptionScore plain = inception_score(logits),
                       moved = inception_score(logits + normal_features(3, 120, 1) * 900.0);
  CHECK(moved.score.value == Approx(plain.score.value).epsilon(1e-11));
  CHECK(plain.score.value > 1.5);
}

TEST_CASE("mean, deviation and error of two parts by hand") {
  const InceptionScore is = inception_score(normal_features(4, 60, 5) * 3.0, 2);
  const double gap = std::abs(is.splits[0] - is.splits[1]);
  REQUIRE(gap > 1e-3);
  CHECK(is.score.value == Approx((is.splits[0] + is.splits[1]) / 2));
  CHECK(is.sd == Approx(gap / 2));
  CHECK(*is.score.se == Approx(gap / 2));  // the sample deviation, gap/√2, over √2
}

TEST_CASE("the error of the Inception Score is the spread of the mean over its parts") {
  constexpr int kReplications = 400;
  double mean = 0, square = 0, predicted = 0;
  for (uint64_t i = 0; i < kReplications; ++i) {
    const InceptionScore is = inception_score(normal_features(100 + i, 200, 4) * 2.0);
    mean += is.score.value / kReplications;
    square += is.score.value * is.score.value / kReplications;
    predicted += *is.score.se * *is.score.se / kReplications;
  }
  const double ratio = std::sqrt(predicted / (square - mean * mean));
  CAPTURE(ratio);
  CHECK(ratio == Approx(1.0).epsilon(0.1));
}

TEST_CASE("the Inception Score refuses what it cannot score") {
  using Catch::Contains;
  const at::Tensor logits = normal_features(1, 9, 3);
  CHECK_THROWS_WITH(inception_score(logits), Contains("10 splits need as many samples, got 9"));
  CHECK_NOTHROW(inception_score(logits, 9));
  CHECK_THROWS_WITH(inception_score(logits[0]), Contains("floating [N, K]"));
  CHECK_THROWS_WITH(inception_score(logits.to(at::kLong), 1), Contains("floating [N, K]"));
  CHECK_THROWS_WITH(inception_score(logits / 0.0, 1), Contains("not finite"));
  CHECK_THROWS_WITH(inception_score(logits, 1, at::arange(8)), Contains("int64 [9]"));
}

}  // namespace
}  // namespace onestep
