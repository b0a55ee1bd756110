// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace onestep {

/// SHA-256 (FIPS 180-4) of some bytes, 64 lower-case hexadecimal digits. Reports name weights and references
/// by it; nothing here is a defence.
std::string sha256(std::string_view bytes);

/// The same of a file, read in blocks. Throws io::FileError when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace onestep
