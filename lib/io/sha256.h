// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace onestep::io {

/// SHA-256 (FIPS 180-4, by libcrypto) of some bytes, 64 lower-case hexadecimal digits: the name of weights
/// and references in reports.
std::string sha256(std::string_view bytes);

/// The same of a file, read in blocks. Throws FileError when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace onestep::io
