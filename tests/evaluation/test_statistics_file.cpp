// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "evaluation/random_features.h"
#include "evaluation/statistics_file.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

namespace onestep {
namespace {

using Catch::Contains;

const std::filesystem::path kGolden = ONESTEP_GOLDEN "/npz";

using NamedArrays = std::vector<std::pair<std::string, at::Tensor>>;

Statistics statistics(uint64_t seed, int64_t d) {
  const Moments moments = moments_of(normal_features(seed, 3 * d, d));
  return {moments.mean, covariance(moments)};
}

std::string problem(const std::filesystem::path& path) {
  return file_error([&] { read_statistics(path); });
}

TEST_CASE("statistics: the files of other programs give the values that they were made of") {
  const auto expected = io::read_safetensors(kGolden / "expected.safetensors");
  for (const char* name : {"edm_stored", "pytorch_fid_deflated", "big_endian", "adm_style_extra_keys"}) {
    INFO(name);
    const auto path = kGolden / (std::string(name) + ".npz");
    CHECK(holds_statistics(path));
    const StatisticsFile file = read_statistics(path);
    CHECK(at::equal(file.features.mean, expected.at("mu")));
    CHECK(at::equal(file.features.covariance, expected.at("sigma")));
    CHECK(file.n == 0);
    CHECK(file.spatial.has_value() == (std::string(name) == "adm_style_extra_keys"));
    if (file.spatial) {
      CHECK(file.spatial->mean.sizes() == at::IntArrayRef({4}));
      CHECK(file.spatial->covariance.sizes() == at::IntArrayRef({4, 4}));
    }
  }
  const StatisticsFile single = read_statistics(kGolden / "float32.npz");
  CHECK(single.features.mean.scalar_type() == at::kDouble);
  CHECK(at::allclose(single.features.mean, expected.at("mu"), 1e-6, 1e-6));
  CHECK(at::allclose(single.features.covariance, expected.at("sigma"), 1e-6, 1e-6));
}

TEST_CASE("statistics: every bad file is refused by name") {
  struct Case {
    const char *name, *expected;
  };
  for (const auto& [name, expected] :
       {Case{"bad_crc", "CRC"}, Case{"bad_dtype_complex", "'<c16'"}, Case{"bad_empty", "has no array 'mu'"},
        Case{"bad_missing_sigma", "has no array 'sigma'"}, Case{"bad_nan", "holds NaN or infinity ("},
        Case{"bad_not_a_zip", "is not an .npz file"},
        Case{"bad_not_square", "array 'sigma' must have shape [8, 8] as 'mu' has 8 numbers, got [8, 7]"},
        Case{"bad_not_symmetric", "array 'sigma' is not symmetric: its halves differ by up to"},
        Case{"bad_object_array", "Python objects"}, Case{"bad_truncated_half", "or is truncated"},
        Case{"bad_truncated_tail", "or is truncated"},
        Case{"bad_wrong_dtype_int", "must be float32 or float64, got"},
        Case{"bad_wrong_size", "array 'sigma' must have shape"},
        Case{"fortran_order", "array 'sigma' is not symmetric"},  // made so on purpose
        Case{"images_only", "has no array 'mu'"}}) {
    INFO(name);
    const auto path = kGolden / (std::string(name) + ".npz");
    CHECK_THAT(problem(path), Contains(path.string() + ": ") && Contains(expected));
  }
}

TEST_CASE("statistics: a file is known by the names of its arrays") {
  CHECK_FALSE(holds_statistics(kGolden / "images_only.npz"));
  CHECK_FALSE(holds_statistics(kGolden / "bad_missing_sigma.npz"));
  CHECK_FALSE(holds_statistics(kGolden / "expected.txt"));
  CHECK_FALSE(holds_statistics(kGolden));
  CHECK(holds_statistics(kGolden / "expected.safetensors"));
  CHECK(holds_statistics(kGolden / "bad_nan.npz"));
  CHECK_THAT(file_error([] { holds_statistics(kGolden / "bad_not_a_zip.npz"); }),
             Contains("bad_not_a_zip.npz: is not an .npz file"));
  CHECK_THAT(file_error([] { holds_statistics(kGolden / "none.npz"); }), Contains("none.npz: No such file"));
}

TEST_CASE("statistics: what is written comes back bit for bit") {
  const TemporaryFolder folder;
  for (const char* name : {"a.npz", "a.safetensors"}) {
    INFO(name);
    const StatisticsFile plain{.features = statistics(1, 7), .spatial = {}, .n = 0};
    write_statistics(folder / name, plain);
    StatisticsFile back = read_statistics(folder / name);
    CHECK(at::equal(back.features.mean, plain.features.mean));
    CHECK(at::equal(back.features.covariance, plain.features.covariance));
    CHECK_FALSE(back.spatial);
    CHECK(back.n == 0);

    const StatisticsFile full{.features = statistics(2, 7), .spatial = statistics(3, 4), .n = 50'000};
    write_statistics(folder / name, full);
    back = read_statistics(folder / name);
    REQUIRE(back.spatial);
    CHECK(at::equal(back.spatial->mean, full.spatial->mean));
    CHECK(at::equal(back.spatial->covariance, full.spatial->covariance));
    CHECK(back.n == 50'000);
    CHECK(holds_statistics(folder / name));
  }
  // As others read it.
  const auto arrays = io::read_npz(folder / "a.npz");
  CHECK(arrays.size() == 5);
  CHECK(arrays.at("mu").scalar_type() == at::kDouble);
  CHECK(arrays.at("n").scalar_type() == at::kLong);
  CHECK(arrays.at("n").dim() == 0);
  CHECK_THAT(file_error([&] {
               write_statistics(folder / "a.csv", {statistics(1, 3), {}, 0});
             }),
             Contains("a.csv: statistics are .npz or .safetensors files"));
  CHECK_THROWS_WITH(write_statistics(folder / "b.npz", {{at::zeros({3}), at::eye(4)}, {}, 0}),
                    Contains("do not belong together"));
  CHECK(folder.entries() == 2);
}

TEST_CASE("statistics: rounding is accepted, and what is no covariance is not") {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  const Statistics good = statistics(4, 6);
  const auto wrong = [&](const at::Tensor& sigma, const at::Tensor& mu) {
    io::write_safetensors(path, {{"mu", mu}, {"sigma", sigma}});
    return problem(path);
  };
  const auto with = [&](int64_t i, int64_t j, double value) {
    at::Tensor sigma = good.covariance.clone();
    sigma[i][j] = value;
    return wrong(sigma, good.mean);
  };
  const double entry = good.covariance[1][4].item<double>();
  CHECK(with(1, 4, entry + 1e-8) == "");
  const at::Tensor halves = read_statistics(path).features.covariance;
  CHECK(at::equal(halves, halves.t()));
  CHECK(halves[1][4].item<double>() == Approx(entry + 5e-9).epsilon(1e-15));
  CHECK_THAT(with(1, 4, entry + 1e-4), Contains("a.safetensors: array 'sigma' is not symmetric"));
  CHECK_THAT(with(2, 2, -0.5), Contains("array 'sigma' is no covariance: its diagonal holds -0.5"));
  CHECK_THAT(with(2, 2, std::numeric_limits<double>::infinity()),
             Contains("array 'sigma' holds NaN or infinity (1 of 36 numbers)"));
  CHECK_THAT(wrong(good.covariance, at::full({6}, std::numeric_limits<double>::quiet_NaN())),
             Contains("array 'mu' holds NaN or infinity (6 of 6 numbers)"));
  // All variances positive, and still an eigenvalue of −1.
  CHECK_THAT(wrong(at::tensor({1., 2., 2., 1.}).view({2, 2}), at::zeros({2}, at::kDouble)),
             Contains("array 'sigma' is no covariance: it has an eigenvalue below -1e-05"));
  CHECK(wrong(at::tensor({1., 1 + 5e-6, 1 + 5e-6, 1.}).view({2, 2}), at::zeros({2}, at::kDouble)) == "");
  // Constant features, and singular covariances through float32.
  CHECK(wrong(at::zeros({3, 3}), at::zeros({3})) == "");
  const at::Tensor thin = covariance(moments_of(normal_features(5, 20, 200)));
  CHECK(wrong(thin.to(at::kFloat), at::zeros({200})) == "");
  // Shapes and types.
  CHECK_THAT(wrong(good.covariance, good.mean.view({1, 6})), Contains("array 'mu' must have shape [d], got"));
  CHECK_THAT(wrong(good.covariance.flatten(), good.mean), Contains("array 'sigma' must have shape [d, d]"));
  CHECK_THAT(wrong(at::zeros({0, 0}), at::zeros({0})), Contains("array 'mu' must have shape [d], got [0]"));
  CHECK_THAT(wrong(good.covariance.to(at::kHalf), good.mean),
             Contains("array 'sigma' must be float32 or float64, got Half"));
}

TEST_CASE("statistics: spatial ones come in pairs, and n is a number of samples") {
  const TemporaryFolder folder;
  const auto path = folder / "a.npz";
  const Statistics good = statistics(6, 3);
  const auto problem_with = [&](const NamedArrays& more) {
    NamedArrays arrays{{"mu", good.mean}, {"sigma", good.covariance}};
    arrays.insert(arrays.end(), more.begin(), more.end());
    io::write_npz(path, arrays);
    return problem(path);
  };
  CHECK(problem_with({{"n", at::tensor({5}, at::kInt)}}) == "");
  CHECK(read_statistics(path).n == 5);
  CHECK_THAT(problem_with({{"mu_s", good.mean}}), Contains("a.npz: has no array 'sigma_s'"));
  CHECK_THAT(problem_with({{"mu_s", good.mean}, {"sigma_s", -good.covariance}}),
             Contains("a.npz: array 'sigma_s' is no covariance"));
  CHECK_THAT(problem_with({{"n", at::tensor({1}, at::kLong)}}),
             Contains("array 'n' must be at least 2, got 1"));
  CHECK_THAT(problem_with({{"n", at::tensor({5.0})}}), Contains("array 'n' must be one integer, got Double"));
  CHECK_THAT(problem_with({{"n", at::tensor({5, 6}, at::kLong)}}), Contains("array 'n' must be one integer"));
}

}  // namespace
}  // namespace onestep
