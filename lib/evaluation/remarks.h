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

/// What so few samples of d features mean for FID: N ≤ d, few by any measure; "" where they are enough, or
/// where N is not known (0).
std::string few_samples(const std::string& name, int64_t n, int64_t d);

/// What makes a FID of the evaluation worthless, though the number does not show it, of the subjects and of
/// the reference alike: files that were passed over, too few
/// samples, many duplicates, images of one colour; and images of another size or
/// of other channels than the reference's.
std::vector<std::string> warnings_on(const Evaluation& evaluation);

/// What cannot be read off the numbers themselves, and a reader must know.
std::vector<std::string> notes_on(const Evaluation& evaluation);

}  // namespace onestep
