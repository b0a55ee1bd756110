// SPDX-License-Identifier: Apache-2.0
// A test program runs under the settings of the commands, from the repository's root: paths in tests are
// relative to it, so that the program can be moved to another machine together with what it reads
// (ONESTEP_ROOT).
#define CATCH_CONFIG_RUNNER
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <catch2/catch.hpp>

#include "apps/common/matrix_products.h"

int main(int argc, char** argv) {
  onestep::fix_matrix_products();
  const char* const moved = std::getenv("ONESTEP_ROOT");
  const char* const root = moved != nullptr ? moved : ONESTEP_ROOT;
  std::error_code error;
  std::filesystem::current_path(root, error);
  if (error) return std::fprintf(stderr, "%s: %s\n", root, error.message().c_str()), 2;
  return Catch::Session().run(argc, argv);
}
