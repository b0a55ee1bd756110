// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

/// Checks of command-line arguments that the commands share.
namespace onestep {

inline constexpr int64_t kMostThreads = 1024, kLargestBatch = 4096;

/// A file or folder: not empty, and not "~" or "~/x", which the shell leaves as it is in "--out=~/x" and
/// which would make a folder of that name. Of "classifier:~/x" it is what stands after the colon.
CLI::Validator is_path();

/// A text that is not "".
CLI::Validator is_given();

/// A finite number >= 0.
CLI::Validator is_distance();

}  // namespace onestep
