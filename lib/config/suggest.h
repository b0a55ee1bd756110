// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace onestep::config {

/// The candidate nearest to `word` by edit distance (insert, delete, replace, swap of neighbours), or "" when
/// none is nearer than about a third of the word's length.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// " (did you mean 'x'?)" where something is near, else " (<otherwise>: a, b, c)".
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates,
                       const std::string& otherwise);

std::string join(const std::vector<std::string>& words, const std::string& separator);

/// "a, b and 3 more": so many words, and how many there are beside them.
std::string listed(std::vector<std::string> words, size_t most);

}  // namespace onestep::config
