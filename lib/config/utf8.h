// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string_view>

namespace onestep::config {

/// The length of the UTF-8 sequence at `at`, or 0 where there is none (overlong forms and surrogates are
/// none).
size_t utf8_length(std::string_view text, size_t at);

bool is_utf8(std::string_view text);

/// Whether a byte below 0x20 that is not a tab or the end of a line, or 0x7f, stands in the text.
bool has_control_character(std::string_view text);

}  // namespace onestep::config
