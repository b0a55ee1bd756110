// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "evaluation/evaluate.h"
#include "evaluation/report.h"

/// The sections of report.html, one file each. A section whose body is "" has nothing to show and is left out
/// with its heading.
namespace onestep {

struct Section {
  std::string id;  ///< what the table of contents points at
  std::string title;
  std::string body;  ///< HTML
};

/// Above all sections: warnings, the headline's FID with verdict and protocol, the others' FIDs.
std::string headline(const Evaluation& evaluation);

/// FID, its cost and speed for every subject.
Section comparison_section(const Evaluation& evaluation);
/// Published FIDs beside the headline; with Inception features and images of their size only.
Section published_section(const Evaluation& evaluation);
/// Against the baseline with paired seeds.
Section paired_section(const Evaluation& evaluation);
/// FID against 1/N, and over sets of seeds.
Section uncertainty_section(const Evaluation& evaluation);
/// Mean and covariance term, and the directions in which the laws differ most.
Section origin_section(const Evaluation& evaluation);
/// Every metric beside FID.
Section metrics_section(const Evaluation& evaluation);
/// FID over a run's checkpoints.
Section trend_section(const Evaluation& evaluation);
/// The headline's images, chosen in many ways, and the others' at random.
Section samples_section(const Evaluation& evaluation);
Section others_section(const Evaluation& evaluation);
/// Class by class: how often, how well, how harmful.
Section classes_section(const Evaluation& evaluation);
/// Whether the sets are what one takes them for.
Section validity_section(const Evaluation& evaluation);
/// How the numbers came about, and how to cite them.
Section provenance_section(const Evaluation& evaluation, const Provenance& provenance);

}  // namespace onestep
