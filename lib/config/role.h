// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onestep::config {

/// What a key means for an experiment that was begun under another value of it. A role holds for all keys
/// below, too; most keys are `identity`, and `fields` names the others.
enum class Role {
  identity,  ///< changes the numbers: another value is another experiment
  free,      ///< changes how it is run and watched, such as threads, device, the log: may differ
  place,     ///< a path: what counts is what lies there, which is known by its content
  budget,    ///< how long it runs: may grow where nothing that was done depends on it
};

}  // namespace onestep::config
