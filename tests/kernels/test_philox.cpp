// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "kernels/philox.h"
#include "kernels/philox_core.h"
#include "on_devices.h"

using namespace onestep::kernels;
using Catch::Matchers::Contains;

namespace {

at::Tensor counting(int64_t n, int64_t start = 0) {
  return at::arange(start, start + n, at::kLong);
}

at::Tensor noise(const at::Tensor& indices, at::IntArrayRef shape, uint64_t seed = 1, uint32_t purpose = 2) {
  return philox_normal(seed, purpose, indices, shape, at::kCPU);
}

double mean_of(const at::Tensor& values) {
  return values.to(at::kDouble).mean().item<double>();
}

/// √n × the correlation of two zero-mean, unit-variance samples: standard normal if they are independent.
double correlation_score(const at::Tensor& a, const at::Tensor& b) {
  return mean_of(a.to(at::kDouble) * b) * std::sqrt(static_cast<double>(a.numel()));
}

/// √n × the Kolmogorov-Smirnov distance to a distribution; above 1.95 once in a thousand samples.
template <class Cdf>
double kolmogorov_score(const at::Tensor& values, Cdf cdf) {
  const at::Tensor sorted = std::get<0>(values.flatten().sort());
  const float* x = sorted.const_data_ptr<float>();
  const int64_t n = sorted.numel();
  double distance = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double p = cdf(x[i]);
    distance = std::max({distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return distance * std::sqrt(static_cast<double>(n));
}

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

}  // namespace

TEST_CASE("Philox4x32-10 gives Random123's known answers", "[philox]") {
  const auto check = [](PhiloxBlock counter, uint64_t key, PhiloxBlock expected) {
    const PhiloxBlock got = philox4x32_10(counter, key);
    for (int i = 0; i < 4; ++i) CHECK(got.word[i] == expected.word[i]);
  };
  check({{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  check({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0}, {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  check({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822,
        {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST_CASE("the normal transform agrees with libm in double precision", "[philox]") {
  // Every exponent of u and every corner of the angle's quadrants, and a million random words.
  std::vector<std::pair<uint32_t, uint32_t>> words;
  for (int i = 0; i < 32; ++i) {
    for (int d = -1; d <= 1; ++d) {
      for (int j = 0; j < 32; ++j) words.emplace_back((1u << i) + d, (1u << j) - d);
      words.emplace_back(0xB504F333u + 128 * d, (1u << i) * 3u + d);  // at the fold of the logarithm, √½
    }
  }
  for (uint32_t i = 0; i < 500000; ++i) {
    const PhiloxBlock bits = philox4x32_10({{i, 0, 0, 0}}, 7);
    words.emplace_back(bits.word[0], bits.word[1]);
    words.emplace_back(bits.word[2], bits.word[3]);
  }
  double log_error = 0, pair_error = 0, largest = 0;
  for (const auto& [a, b] : words) {
    const float u = static_cast<float>(a | 1) * 0x1p-32f;
    const double log_u = std::log(static_cast<double>(u));
    const double radius = std::sqrt(-2 * log_u), angle = 2 * std::numbers::pi * (b * 0x1p-32);
    float z0, z1;
    philox_normal_pair(a, b, z0, z1);
    const double x = radius * std::cos(angle), y = radius * std::sin(angle);
    if (u < 1) log_error = std::max(log_error, std::abs(philox_log(u) / log_u - 1));
    // 1e-15: what the reference loses in the reduction of its angle.
    pair_error = std::max(pair_error, (std::abs(z0 - x) - 1e-14) / std::max(std::abs(x), 1e-12));
    pair_error = std::max(pair_error, (std::abs(z1 - y) - 1e-14) / std::max(std::abs(y), 1e-12));
    largest = std::max({largest, std::abs(static_cast<double>(z0)), std::abs(static_cast<double>(z1))});
  }
  INFO("relative errors: log " << log_error << ", normals " << pair_error);
  CHECK(log_error < 2e-7);
  CHECK(pair_error < 4e-7);
  CHECK(largest == Approx(std::sqrt(64 * std::numbers::ln2)).epsilon(1e-6));
  CHECK(philox_log(1.0f) == 0.0f);
}

TEST_CASE("normal draws have the moments and the distribution of a standard normal", "[philox]") {
  const at::Tensor z = noise(counting(256), {4096});
  const double n = static_cast<double>(z.numel()), root = std::sqrt(n);
  const at::Tensor d = z.to(at::kDouble);
  // Standard errors of the k-th moments' estimates: √((2k−1)!! − E[z^k]²).
  CHECK(std::abs(mean_of(d)) * root < 3);
  CHECK(std::abs(mean_of(d.pow(2)) - 1) * root / std::sqrt(2) < 3);
  CHECK(std::abs(mean_of(d.pow(3))) * root / std::sqrt(15) < 3);
  CHECK(std::abs(mean_of(d.pow(4)) - 3) * root / std::sqrt(96) < 3);
  CHECK(kolmogorov_score(z, normal_cdf) < 1.95);
  const double tail = 2 * normal_cdf(-4.0) * n;  // 66 expected beyond 4 standard deviations
  CHECK(std::abs(d.abs().gt(4).sum().item<double>() - tail) < 3 * std::sqrt(tail));
  // The four positions of a block come from different words and different halves of a pair.
  for (int64_t position = 0; position < 4; ++position) {
    CHECK(kolmogorov_score(z.slice(1, position, {}, 4).contiguous(), normal_cdf) < 1.95);
  }
}

TEST_CASE("uniform draws fill [0, 1) evenly and never reach 1", "[philox]") {
  const at::Tensor u = philox_uniform(3, 4, counting(256), {4096}, at::kCPU);
  CHECK(u.min().item<float>() >= 0);
  CHECK(u.max().item<float>() < 1);
  CHECK(kolmogorov_score(u, [](double x) { return x; }) < 1.95);
  CHECK(std::abs(mean_of(u) - 0.5) * std::sqrt(12.0 * u.numel()) < 3);
  CHECK(philox_unit(~0u) == 1.0f - 0x1p-24f);
  CHECK(philox_unit(0) == 0.0f);
}

TEST_CASE("streams are independent across positions, indices, purposes and seeds", "[philox]") {
  const at::Tensor z = noise(counting(64), {4096});
  const at::Tensor unit_square = (z.pow(2) - 1) / std::sqrt(2.0);
  for (int64_t lag : {1, 2, 3, 4, 8, 1024}) {
    INFO("lag " << lag);
    CHECK(std::abs(correlation_score(z.slice(1, lag), z.slice(1, 0, -lag))) < 3.5);
    CHECK(std::abs(correlation_score(unit_square.slice(1, lag), unit_square.slice(1, 0, -lag))) < 3.5);
  }
  const at::Tensor others[] = {
      noise(counting(64, 1), {4096}),                           // the next index
      noise(counting(64, int64_t{1} << 32), {4096}),            // the index's high word
      noise(counting(64), {4096}, 1, 3),                        // the next purpose
      noise(counting(64), {4096}, 2, 2),                        // the next seed
      noise(counting(64), {4096}, (uint64_t{1} << 32) + 1, 2),  // the seed's high word
  };
  for (const at::Tensor& other : others) {
    CHECK(std::abs(correlation_score(z, other)) < 3.5);
    CHECK(std::abs(correlation_score(unit_square, (other.pow(2) - 1) / std::sqrt(2.0))) < 3.5);
  }
}

TEST_CASE("a row depends on its index alone", "[philox]") {
  const at::Tensor indices = at::tensor({5, 0, -1, 7, 7, 123456789}, at::kLong);
  const at::Tensor all = noise(indices, {3, 17, 19});
  CHECK(all.sizes() == at::IntArrayRef({6, 3, 17, 19}));
  CHECK(at::equal(all[3], all[4]));
  CHECK_FALSE(at::equal(all[0], all[1]));
  std::vector<at::Tensor> split;
  for (int64_t i = 0; i < 6; ++i) split.push_back(noise(indices.slice(0, i, i + 1), {3, 17, 19}));
  CHECK(at::equal(at::cat(split), all));
  CHECK(at::equal(noise(indices.flip(0), {3, 17, 19}).flip(0), all));
  const at::Tensor spread = at::cat({indices.unsqueeze(1), indices.unsqueeze(1)}, 1).select(1, 0);
  REQUIRE_FALSE(spread.is_contiguous());
  CHECK(at::equal(noise(spread, {3, 17, 19}), all));
}

TEST_CASE("vector code, its remainders and the definition give the same bits", "[philox]") {
  // Row sizes on both sides of every vector width; each value against one scalar evaluation of its block.
  for (const int64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 31, 63, 64, 65, 66, 67, 127, 255, 257, 1023}) {
    const at::Tensor rows = noise(at::tensor({9, -2}, at::kLong), {size}, 11, 12);
    const at::Tensor uniform = philox_uniform(11, 12, at::tensor({9, -2}, at::kLong), {size}, at::kCPU);
    bool same = true;
    for (int64_t i = 0; i < size; ++i) {
      float value[4];
      philox_values<PhiloxLaw::normal>(11, 12, ~uint64_t{0} - 1, static_cast<uint32_t>(i / 4), value);
      same = same && rows[1].const_data_ptr<float>()[i] == value[i % 4];
      philox_values<PhiloxLaw::uniform>(11, 12, 9, static_cast<uint32_t>(i / 4), value);
      same = same && uniform[0].const_data_ptr<float>()[i] == value[i % 4];
    }
    INFO("row size " << size);
    CHECK(same);
  }
}

TEST_CASE("the stream is the same on every machine and in every version", "[philox]") {
  // FNV-1a over the bits of 2 × 4099 values. Another number here breaks the reproducibility of every older
  // run.
  const at::Tensor z = noise(counting(2), {4099}, 2024, 4);
  const auto* bits = reinterpret_cast<const unsigned char*>(z.const_data_ptr<float>());
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < z.nbytes(); ++i) hash = (hash ^ bits[i]) * 0x100000001b3;
  CHECK(hash == 0x49b4b80eea4e3f8c);
}

TEST_CASE("threads do not change the noise", "[philox]") {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = noise(counting(37), {3, 32, 31}), one_row = noise(counting(1), {1, 300, 301});
  at::set_num_threads(2);
  CHECK(at::equal(noise(counting(37), {3, 32, 31}), one));
  CHECK(at::equal(noise(counting(1), {1, 300, 301}), one_row));
  at::set_num_threads(threads);
}

TEST_CASE("other precisions hold the same noise", "[philox]") {
  const at::Tensor z = noise(counting(8), {100});
  for (const at::ScalarType dtype : {at::kDouble, at::kHalf, at::kBFloat16}) {
    const at::Tensor other = philox_normal(1, 2, counting(8), {100}, at::kCPU, dtype);
    CHECK(other.scalar_type() == dtype);
    CHECK(at::equal(other, z.to(dtype)));
  }
  const at::Tensor u = philox_uniform(1, 2, counting(8), {100}, at::kCPU);
  CHECK(at::equal(philox_uniform(1, 2, counting(8), {100}, at::kCPU, at::kDouble), u.to(at::kDouble)));
}

TEST_CASE("empty batches, empty rows and single values", "[philox]") {
  CHECK(noise(counting(0), {3, 4}).sizes() == at::IntArrayRef({0, 3, 4}));
  CHECK(noise(counting(2), {0}).sizes() == at::IntArrayRef({2, 0}));
  const at::Tensor scalars = noise(counting(5), {});
  CHECK(scalars.sizes() == at::IntArrayRef({5}));
  CHECK(at::equal(scalars, noise(counting(5), {6}).select(1, 0)));
}

TEST_CASE("philox_bits are the first words of a block", "[philox]") {
  const PhiloxBlock block = philox4x32_10({{5, 3, 0xFFFFFFFE, 0xFFFFFFFF}}, 17);
  CHECK(philox_bits(17, 3, ~uint64_t{0} - 1, 5) == (uint64_t{block.word[1]} << 32 | block.word[0]));
  CHECK(philox_bits(0, 0, 0, 0) == 0xe169c58d6627e8d5);
}

TEST_CASE("philox refuses what it cannot draw", "[philox]") {
  CHECK_THROWS_WITH(noise(at::tensor({1.0f}), {2}), Contains("indices must be an int64 vector"));
  CHECK_THROWS_WITH(noise(counting(4).view({2, 2}), {2}), Contains("indices must be an int64 vector"));
  CHECK_THROWS_WITH(noise(at::Tensor(), {2}), Contains("indices must be an int64 vector"));
  CHECK_THROWS_WITH(philox_normal(1, 2, counting(1), {2}, at::kCPU, at::kInt),
                    Contains("floating type, got Int"));
  CHECK_THROWS_WITH(philox_uniform(1, 2, counting(1), {2}, at::kCPU, at::kHalf),
                    Contains("float32 or float64, got Half"));
  CHECK_THROWS_WITH(philox_normal(1, 2, counting(1), {2}, at::kMeta), Contains("no kernel for device meta"));
  CHECK_THROWS(noise(counting(1), {-1}));
}

TEST_CASE("CUDA draws the CPU's bits", "[philox][gpu]") {
  if (!cuda_ready()) return;
  for (const int64_t size : {1, 3, 4, 784, 3073}) {
    const at::Tensor indices = counting(70, -3);
    const at::Tensor z = philox_normal(5, 6, indices, {size}, at::kCUDA);
    CHECK(z.is_cuda());
    CHECK(at::equal(z.cpu(), philox_normal(5, 6, indices, {size}, at::kCPU)));
    CHECK(at::equal(philox_uniform(5, 6, indices, {size}, at::kCUDA).cpu(),
                    philox_uniform(5, 6, indices, {size}, at::kCPU)));
  }
}
