// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/node.h"
#include "evaluation/evaluate_config.h"

namespace onestep {

/// A way to evaluate that has a name: what it says of each key, where a user says nothing.
struct Protocol {
  std::string name;
  std::string meaning;
  std::string yaml;
};

/// none, quick and edm.
const std::vector<Protocol>& protocol_table();

/// A configuration's tree with the values of the protocol that it names below its own.
config::Node with_protocol(const config::Node& tree);

/// What of a configuration departs from the EDM protocol (Karras et al. 2022: 50,000 images, Inception
/// features, seeds 0–49999, 50000–99999 and 100000–149999, classes from the seeds, the minimum of the three),
/// a line each; empty: a FID that may stand beside published ones. `weights_origin` is what the file of the
/// Inception network's weights says it was converted from.
std::vector<std::string> departures_from_edm(const EvaluateConfig& config, const std::string& weights_origin);

}  // namespace onestep
