// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "evaluation/moments.h"

namespace onestep {

/// What a file of statistics holds: all that FID needs of a set of features.
struct StatisticsFile {
  Statistics features;                ///< arrays mu [d] and sigma [d, d]
  std::optional<Statistics> spatial;  ///< mu_s and sigma_s: ADM's, of the spatial features (sFID)
  int64_t n = 0;                      ///< how many samples; 0: the file does not say, as most do not
};

/// Whether a .npz or .safetensors file has arrays mu and sigma: its directory alone is read. False for other
/// suffixes and for folders; throws io::FileError when such a file is missing or damaged.
bool holds_statistics(const std::filesystem::path& path);

/// Throws io::FileError unless the file's suffix is one that write_statistics takes.
void require_statistics_suffix(const std::filesystem::path& path);

/// Reads the statistics of pytorch-fid and EDM (mu, sigma), of ADM (with mu_s, sigma_s; other arrays are
/// passed over), or our own (with n, an integer): float64 or float32, given as float64. Halves of Σ that
/// differ by rounding are averaged. Throws io::FileError naming file and array: missing, of another dtype or
/// shape, NaN or infinite, not symmetric (by more than 1e-6 of the largest entry), or indefinite beyond
/// rounding (an eigenvalue below −1e-5 of the largest variance); n below 2.
StatisticsFile read_statistics(const std::filesystem::path& path);

/// The same files: .npz, which pytorch-fid and EDM read, or .safetensors. float64, and n as int64 where it is
/// not 0. Throws io::FileError for another suffix or when nothing can be written, c10::Error for shapes that
/// do not belong together.
void write_statistics(const std::filesystem::path& path, const StatisticsFile& statistics);

}  // namespace onestep
