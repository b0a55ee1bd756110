// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace onestep::io {

/// A whole PNG file's bytes with one tEXt chunk (PNG specification, 11.3.4.3) an entry after its header
/// chunk. Keywords are 1 to 79 printable ASCII characters. Other characters than ASCII in a value are written
/// as \uXXXX, so that a JSON value stays the same JSON. Throws std::invalid_argument for a bad keyword or a
/// NUL in a value.
std::string with_png_text(const std::string& png, const std::map<std::string, std::string>& text);

/// Whether a PNG file that begins so is a sheet of several samples, and no sample: the text `onestep` of our
/// commands, which names a seed in every sample's file.
bool is_sheet(std::string_view png);

}  // namespace onestep::io
