// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "evaluation/evaluate.h"
#include "evaluation/report.h"

namespace onestep {

/// BibTeX of what the evaluation used: FID, its features where they are Inception's, each metric that was
/// measured, the protocol, what the verdict rests on.
std::string bibliography(const Evaluation& evaluation);

/// How the headline's FID came about, for a paper's section on methods: N, seeds, sampler, features and
/// reference with the first digits of their hashes, the value.
std::string methods_text(const Evaluation& evaluation, const Provenance& provenance);

}  // namespace onestep
