// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/node.h"

/// What papers say, number by number, and what a file has in its place.
namespace onestep::test {

/// Values by dotted key, as a YAML file would have them; some that no key has ("gradients") are words.
using Facts = std::map<std::string, std::string>;

/// Later facts over earlier ones.
Facts with(Facts facts, const Facts& more);

/// `values` of the optimiser of each of `networks`.
void set_optimisers(Facts& facts, const std::vector<std::string>& networks, const Facts& values);

/// DMD's and f-distill's 0.9999 an update as a half-life, in thousands of images.
std::string half_life(int64_t batch);

/// Of each preset, by name.
std::map<std::string, Facts> facts_of_papers();

/// The keys of a file's lines `# differs: KEY: reason`. A line without a reason has no key.
std::set<std::string> excused(const std::filesystem::path& file);

/// The text of a key, "" where it does not stand there.
std::string text_of(const config::Node& file, const std::string& path);

/// What is wrong with a file: keys that are not the paper's without a word in `excuses`, and words about keys
/// that are.
std::vector<std::string> faults(const config::Node& file, std::set<std::string> excuses, const Facts& facts);

}  // namespace onestep::test
