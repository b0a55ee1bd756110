// SPDX-License-Identifier: Apache-2.0
// The folder of --out: PNG files named by their seeds, and samples.json, which lists them.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace onestep {

inline constexpr const char* kSampleList = "samples.json";

/// 001234.png, or 001000/001234.png.
std::string sample_name(int64_t seed, bool subdirs);

/// The samples that samples.json lists and that are there, each seed with its class (none where it has none).
/// None where there is no such list.
std::map<int64_t, std::optional<int64_t>> samples_in(const std::filesystem::path& folder, bool subdirs);

/// Throws config::ConfigError where the folder holds what would be taken for a sample of this run and is
/// none: samples that other settings made (model, sampler, guide, latents, precision), or other images.
void require_same_run(const std::filesystem::path& folder, const nlohmann::ordered_json& settings,
                      bool subdirs);

/// Throws config::ConfigError where a picture that is no sample would lie among samples: below the folder of
/// --out, or in one that has a samples.json. `option` is what asked for it.
void refuse_among_samples(const std::string& option, const std::filesystem::path& picture,
                          const std::optional<std::filesystem::path>& folder);

}  // namespace onestep
