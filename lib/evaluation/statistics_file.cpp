// SPDX-License-Identifier: Apache-2.0
#include "evaluation/statistics_file.h"

#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <c10/util/StringUtil.h>

#include "io/npz.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using Arrays = std::map<std::string, at::Tensor>;

constexpr double kAsymmetry = 1e-6;   // of the largest entry: float32 keeps 6e-8
constexpr double kIndefinite = 1e-5;  // of the largest variance: float32's rounding stays below for d = 2048
constexpr const char* kCount = "n";

bool is_npz(const fs::path& path) {
  if (path.extension() == ".npz") return true;
  if (path.extension() == ".safetensors") return false;
  throw io::FileError(path, "statistics are .npz or .safetensors files");
}

std::set<std::string> array_names(const fs::path& path) {
  return is_npz(path) ? io::npz_names(path) : io::safetensors_names(path);
}

Arrays read_arrays(const fs::path& path, const std::set<std::string>& wanted) {
  if (is_npz(path)) return io::read_npz(path, wanted);
  const io::TensorFile file = io::read_safetensors(path);
  Arrays arrays;
  for (const std::string& name : wanted) arrays[name] = file.at(name);
  return arrays;
}

[[noreturn]] void refuse(const fs::path& path, const std::string& name, const std::string& what) {
  throw io::FileError(path, "array '" + name + "' " + what);
}

/// float64, finite, of `rank` dimensions.
at::Tensor numbers(const fs::path& path, const std::string& name, const at::Tensor& array, int64_t rank) {
  const at::ScalarType dtype = array.scalar_type();
  if (dtype != at::kFloat && dtype != at::kDouble)
    refuse(path, name, c10::str("must be float32 or float64, got ", dtype));
  if (array.dim() != rank || array.numel() == 0)
    refuse(path, name, c10::str("must have shape ", rank == 1 ? "[d]" : "[d, d]", ", got ", array.sizes()));
  const int64_t bad = at::isfinite(array).logical_not().sum().item<int64_t>();
  if (bad > 0)
    refuse(path, name, c10::str("holds NaN or infinity (", bad, " of ", array.numel(), " numbers)"));
  return array.to(at::kDouble).clone();
}

/// Σ of a file, whose halves are made equal, after the checks that make it a covariance.
at::Tensor checked_covariance(const fs::path& path, const std::string& name, const at::Tensor& sigma) {
  const double gap = (sigma - sigma.t()).abs().max().item<double>();
  const double largest = sigma.abs().max().item<double>();
  if (gap > kAsymmetry * largest)
    refuse(path, name,
           c10::str("is not symmetric: its halves differ by up to ", gap, ", and its largest entry is ",
                    largest));
  const at::Tensor symmetric = 0.5 * sigma + 0.5 * sigma.t();
  const at::Tensor variances = symmetric.diagonal();
  const double scale = variances.max().item<double>(), lowest = variances.min().item<double>();
  if (lowest < -kIndefinite * std::abs(scale))
    refuse(path, name, c10::str("is no covariance: its diagonal holds ", lowest));
  // Σ + δI has a Cholesky factor exactly when no eigenvalue of Σ is below −δ.
  at::Tensor lifted = symmetric.clone();
  lifted.diagonal().add_(kIndefinite * scale + std::numeric_limits<double>::min());
  if (std::get<1>(at::linalg_cholesky_ex(lifted)).item<int64_t>() != 0)
    refuse(path, name, c10::str("is no covariance: it has an eigenvalue below ", -kIndefinite * scale));
  return symmetric;
}

Statistics checked(const fs::path& path, const Arrays& arrays, const std::string& mu,
                   const std::string& sigma) {
  Statistics result{numbers(path, mu, arrays.at(mu), 1), numbers(path, sigma, arrays.at(sigma), 2)};
  const int64_t d = result.mean.size(0);
  if (result.covariance.sizes() != at::IntArrayRef({d, d}))
    refuse(path, sigma,
           c10::str("must have shape ", at::IntArrayRef({d, d}), " as '", mu, "' has ", d, " numbers, got ",
                    result.covariance.sizes()));
  result.covariance = checked_covariance(path, sigma, result.covariance);
  return result;
}

int64_t checked_count(const fs::path& path, const at::Tensor& count) {
  if (!at::isIntegralType(count.scalar_type(), /*includeBool=*/false) || count.numel() != 1)
    refuse(path, kCount, c10::str("must be one integer, got ", count.scalar_type(), " ", count.sizes()));
  const auto n = count.item<int64_t>();
  if (n < 2) refuse(path, kCount, c10::str("must be at least 2, got ", n));
  return n;
}

void append(std::vector<std::pair<std::string, at::Tensor>>& arrays, const std::string& mu,
            const std::string& sigma, const Statistics& statistics) {
  TORCH_CHECK(
      statistics.mean.dim() == 1 && statistics.covariance.sizes() ==
                                        at::IntArrayRef({statistics.mean.size(0), statistics.mean.size(0)}),
      "write_statistics: ", mu, " ", statistics.mean.sizes(), " and ", sigma, " ",
      statistics.covariance.sizes(), " do not belong together");
  arrays.emplace_back(mu, statistics.mean.to(at::kDouble));
  arrays.emplace_back(sigma, statistics.covariance.to(at::kDouble));
}

}  // namespace

void require_statistics_suffix(const fs::path& path) {
  is_npz(path);
}

bool holds_statistics(const fs::path& path) {
  if (path.extension() != ".npz" && path.extension() != ".safetensors") return false;
  if (std::error_code error; fs::is_directory(path, error)) return false;
  const std::set<std::string> names = array_names(path);
  return names.contains("mu") && names.contains("sigma");
}

StatisticsFile read_statistics(const fs::path& path) {
  const std::set<std::string> names = array_names(path);
  const bool spatial = names.contains("mu_s") || names.contains("sigma_s");
  std::set<std::string> wanted{"mu", "sigma"};
  if (spatial) wanted.insert({"mu_s", "sigma_s"});
  if (names.contains(kCount)) wanted.insert(kCount);
  const Arrays arrays = read_arrays(path, wanted);
  StatisticsFile file{.features = checked(path, arrays, "mu", "sigma"), .spatial = {}, .n = 0};
  if (spatial) file.spatial = checked(path, arrays, "mu_s", "sigma_s");
  if (wanted.contains(kCount)) file.n = checked_count(path, arrays.at(kCount));
  return file;
}

void write_statistics(const fs::path& path, const StatisticsFile& statistics) {
  std::vector<std::pair<std::string, at::Tensor>> arrays;
  append(arrays, "mu", "sigma", statistics.features);
  if (statistics.spatial) append(arrays, "mu_s", "sigma_s", *statistics.spatial);
  if (statistics.n > 0) arrays.emplace_back(kCount, at::full({}, statistics.n, at::kLong));
  if (is_npz(path)) {
    io::write_npz(path, arrays);
  } else {
    io::write_safetensors(path, arrays);
  }
}

}  // namespace onestep
