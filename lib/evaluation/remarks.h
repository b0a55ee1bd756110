// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "evaluation/evaluate.h"

namespace onestep {

/// Where the features come from: a kind of the configuration, or "file" where no network was asked.
std::string features_kind(const Evaluation& evaluation);

/// Whether these are the Inception features of published FIDs, as far as the weights' file tells.
bool is_published_inception(const Evaluation& evaluation);

/// With which other FIDs these may be compared.
std::string comparability(const Evaluation& evaluation);

/// What makes a FID of the evaluation worthless, though the number does not show it: files that were passed
/// over, many duplicates, images of one colour.
std::vector<std::string> warnings_on(const Evaluation& evaluation);

/// What cannot be read off the numbers themselves, and a reader must know.
std::vector<std::string> notes_on(const Evaluation& evaluation);

}  // namespace onestep
