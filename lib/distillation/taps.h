// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/decode.h"
#include "config/help.h"
#include "networks/denoiser.h"

namespace onestep {

/// Which of a network's feature taps a discriminator sees: `all`, `deepest` (the last one; SiDA), or a list
/// of names. In a configuration it is the word or the list.
struct Taps {
  std::string word = "all";         ///< "" where they are listed
  std::vector<std::string> listed;  ///< as the user ordered them
};

Taps listed(std::vector<std::string> names);

/// Those of a network. Throws config::ConfigError, naming `key`, when it lacks one or one is listed twice.
std::vector<std::string> resolved(const Taps& wanted, const Denoiser& network, const std::string& key);

void decode(const config::Place& place, const config::Check&, Taps& value);
config::Node encode(const Taps& value);
void describe(const std::string& path, const Taps& value, const char* meaning, const config::Check&,
              config::HelpRows& rows);

}  // namespace onestep
