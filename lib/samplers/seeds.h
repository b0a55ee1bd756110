// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// "0-63,100" → {0, 1, …, 63, 100}: numbers and ranges, commas between. Seeds are 0 … 2⁶³ − 1.
/// Throws config::ConfigError for anything else, for a seed that is named twice, and beyond ten million
/// seeds.
std::vector<int64_t> parse_seeds(const std::string& text);

/// A seed that the list names more than once, if there is one.
std::optional<int64_t> repeated_seed(std::vector<int64_t> seeds);

/// Unit normal latents [N, *shape] float32 on the CPU. Row i depends on seeds[i] alone: not on the batch, the
/// other seeds, the device or the run's dtype.
at::Tensor latents_from_seeds(const std::vector<int64_t>& seeds, at::IntArrayRef shape);

/// Unit noise for a draw in step number `step` of a stochastic solver: like the latents, a function of (seed,
/// step, draw).
at::Tensor noise_from_seeds(const std::vector<int64_t>& seeds, int64_t step, int64_t draw,
                            at::IntArrayRef shape);

/// For each seed one of `classes`, uniform, a function of the seed and the classes alone. At least one class.
std::vector<int64_t> classes_from_seeds(const std::vector<int64_t>& seeds,
                                        const std::vector<int64_t>& classes);

/// The seeds first, first + 1, …, first + count − 1.
std::vector<int64_t> consecutive_seeds(int64_t first, int64_t count);

}  // namespace onestep
