// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/decode.h"
#include "config/help.h"
#include "networks/denoiser.h"

namespace onestep {

/// Which of an encoder's resolutions a discriminator sees: `all`, `lowest` (SiDA), or a list. In a
/// configuration it is the word or the list.
struct Resolutions {
  std::string named = "all";    ///< "" where they are listed
  std::vector<int64_t> listed;  ///< as the user ordered them
};

Resolutions listed(std::vector<int64_t> resolutions);

/// Those of a network's encoder. Throws config::ConfigError, naming `key`, when it lacks a resolution or one
/// is listed twice.
std::vector<int64_t> resolved(const Resolutions& wanted, const Denoiser& network, const std::string& key);

void decode(const config::Place& place, const config::Check&, Resolutions& value);
config::Node encode(const Resolutions& value);
void describe(const std::string& path, const Resolutions& value, const char* meaning, const config::Check&,
              config::HelpRows& rows);

}  // namespace onestep
