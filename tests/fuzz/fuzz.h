// SPDX-License-Identifier: Apache-2.0
// What the targets of libFuzzer share (fuzz.cpp). A target is a file that defines these two.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace onestep::fuzz {

/// Gives the bytes to a reader. The errors that a bad file or text may end in (io::FileError,
/// config::ConfigError) are expected; whatever else leaves here is a finding.
void read(std::string_view bytes);

/// A few small inputs, good ones above all, that mutation starts from.
std::vector<std::string> seeds();

/// For readers that take a path: a file in memory that holds the bytes, until the next call.
std::filesystem::path as_file(std::string_view bytes, const std::string& suffix);

/// The bytes of the files of tests/golden/`folder` whose names end in `suffix`.
std::vector<std::string> golden(const std::string& folder, const std::string& suffix);

/// What `write` puts into the file that it is given.
template <class Write>
std::string written(const std::string& suffix, const Write& write);

std::string contents(const std::filesystem::path& path);

template <class Write>
std::string written(const std::string& suffix, const Write& write) {
  const std::filesystem::path path = as_file("", suffix);
  write(path);
  return contents(path);
}

}  // namespace onestep::fuzz
