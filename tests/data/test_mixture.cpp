// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "data/loader.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

struct Holder {
  DatasetConfig data;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("data", c.data, "the points");
  }
};

Holder read_yaml(const std::string& rest) {
  return config::read<Holder>(config::parse("data: {kind: gaussian_mixture, " + rest + "}", "test.yaml"));
}

Dataset load_yaml(const std::string& rest) {
  return load_dataset(read_yaml(rest).data);
}

constexpr const char* kThree =
    "weights: [1, 6, 3], means: [[0, 4], [-3, 1], [2, -2]], stds: [[0.5], [0.2, 1.5], [0]], count: 20000";

}  // namespace

TEST_CASE("gaussian_mixture: points, components, names and density", "[mixture]") {
  const Dataset data = load_yaml(kThree);
  CHECK(data.name == "gaussian_mixture");
  CHECK(data.images.sizes() == at::IntArrayRef({20000, 2, 1, 1}));
  CHECK(data.images.scalar_type() == at::kFloat);
  CHECK(data.images.is_contiguous());
  CHECK(data.labels.scalar_type() == at::kLong);
  CHECK(data.class_names == std::vector<std::string>{"component 0", "component 1", "component 2"});
  REQUIRE(data.density);
  CHECK(data.density->weights.scalar_type() == at::kDouble);
  CHECK(data.density->weights[1].item<double>() == 0.6);
  CHECK(data.density->means.sizes() == at::IntArrayRef({3, 2, 1, 1}));
  CHECK(data.density->means[2][0].item<double>() == 2);
  CHECK(data.density->stds[0][1].item<double>() == 0.5);  // one number is for all coordinates
  CHECK(data.density->stds[1][1].item<double>() == 1.5);
  CHECK(to_float(data.images).equal(data.images));
}

TEST_CASE("gaussian_mixture: shares, means and variances within four standard errors", "[mixture]") {
  const Dataset data = load_yaml(kThree);
  const at::Tensor points = data.images.flatten(1).to(at::kDouble);
  for (int64_t k = 0; k < 3; ++k) {
    const at::Tensor mine = points.index({data.labels == k});
    const auto n = static_cast<double>(mine.size(0));
    const double share = data.density->weights[k].item<double>();
    CAPTURE(k, n);
    CHECK(std::abs(n / 20000 - share) < 4 * std::sqrt(share * (1 - share) / 20000));
    for (int64_t i = 0; i < 2; ++i) {
      const double mean = data.density->means[k][i].item<double>(),
                   std = data.density->stds[k][i].item<double>();
      CHECK(std::abs(mine.select(1, i).mean().item<double>() - mean) <= 4 * std / std::sqrt(n));
      const double variance = (mine.select(1, i) - mean).square().mean().item<double>();
      CHECK(std::abs(variance - std * std) <= 4 * std * std * std::sqrt(2 / n));
    }
    // The coordinates of a component have nothing to do with each other.
    const at::Tensor offsets = mine - data.density->means[k].flatten();
    const double scale = (data.density->stds[k][0] * data.density->stds[k][1]).item<double>();
    CHECK(std::abs(offsets.prod(1).mean().item<double>()) <= 4 * scale / std::sqrt(n));
  }
}

TEST_CASE("gaussian_mixture: a point depends on seed and index alone", "[mixture]") {
  const Dataset data = load_yaml(kThree), again = load_yaml(kThree);
  CHECK(data.images.equal(again.images));
  CHECK(data.labels.equal(again.labels));
  const Dataset few = load_yaml(std::string(kThree).replace(std::string(kThree).find("20000"), 5, "100"));
  CHECK(few.images.equal(data.images.slice(0, 0, 100)));
  CHECK(few.labels.equal(data.labels.slice(0, 0, 100)));
  const Dataset other = load_yaml(std::string(kThree) + ", seed: 1");
  CHECK_FALSE(other.images.equal(data.images));
  CHECK_FALSE(other.labels.equal(data.labels));
}

TEST_CASE("gaussian_mixture: one component, one dimension", "[mixture]") {
  const Dataset data = load_yaml("weights: [7], means: [[1]], stds: [[2]], count: 10");
  CHECK(data.images.sizes() == at::IntArrayRef({10, 1, 1, 1}));
  CHECK(data.labels.eq(0).all().item<bool>());
  CHECK(data.density->weights[0].item<double>() == 1);
}

TEST_CASE("gaussian_mixture: batches hold the points as they are", "[mixture]") {
  const Dataset data = load_yaml(kThree);
  const Batch batch = read_batch(data, 3, 19990, 20, /*flip=*/true);
  CHECK(batch.images.sizes() == at::IntArrayRef({20, 2, 1, 1}));
  CHECK(batch.condition.classes.sizes() == at::IntArrayRef({20, 3}));
  for (int64_t i = 0; i < 20; ++i) {
    const int64_t nimg = 19990 + i, chosen = shuffled_index(3, nimg / 20000, nimg % 20000, 20000);
    CHECK(at::equal(batch.images[i], data.images[chosen]));
    CHECK(batch.condition.classes[i].argmax().item<int64_t>() == data.labels[chosen].item<int64_t>());
  }
}

TEST_CASE("gaussian_mixture: configurations that make none", "[mixture]") {
  const auto refused = [](const std::string& rest) {
    try {
      read_yaml(rest);
    } catch (const config::ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("was taken");
  };
  CHECK_THAT(refused("count: 3"), Contains("at least one component"));
  CHECK_THAT(refused("weights: [1, 1], means: [[0]], stds: [[1], [1]]"), Contains("2, 1 and 2"));
  CHECK_THAT(refused("weights: [1], means: [[0]], stds: []"), Contains("1, 1 and 0"));
  CHECK_THAT(refused("weights: [1, 1], means: [[0], [0, 1]], stds: [[1], [1]]"),
             Contains("point 1 has 2 coordinates"));
  CHECK_THAT(refused("weights: [1], means: [[]], stds: [[1]]"), Contains("at least one coordinate"));
  CHECK_THAT(refused("weights: [1], means: [[0, 0, 0]], stds: [[1, 2]]"), Contains("needs 1, or 3"));
  CHECK_THAT(refused("weights: [1], means: [[0]], stds: [[]]"), Contains("component 0 has 0 numbers"));
  CHECK_THAT(refused("weights: [0], means: [[0]], stds: [[1]]"), Contains("weights") && Contains("> 0"));
  CHECK_THAT(refused("weights: [1], means: [[0]], stds: [[-1]]"), Contains("stds") && Contains(">= 0"));
  CHECK_THAT(refused("weights: [1], means: [0], stds: [[1]]"), Contains("means") && Contains("list"));
  CHECK_THAT(refused("weights: [1], means: [[.nan]], stds: [[1]]"), Contains("means"));
  CHECK_THAT(refused("weights: [1], means: [[0]], stds: [[1]], count: 0"), Contains("count"));
  CHECK_THAT(refused("weights: [1], mean: [[0]], stds: [[1]]"), Contains("did you mean 'means'"));
  CHECK_THROWS_AS(load_dataset(MixtureConfig{}), c10::Error);
  CHECK_THAT(config::help<Holder>(), Contains("[[number >= 0, …], …]"));
}
