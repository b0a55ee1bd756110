// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace onestep::config {

/// Text from outside (names of files and folders, what files hold) as a terminal, a page and JSON may have
/// it: a byte that is not UTF-8 and an ASCII control character become `\xNN`, other control characters, the
/// ends of lines and the marks that turn the direction of text `\uNNNN`. All else stays as it is. Idempotent.
std::string printable(std::string_view text);

/// The same of a text of several lines: line ends and tabs stay.
std::string printable_lines(std::string_view text);

}  // namespace onestep::config
