// SPDX-License-Identifier: Apache-2.0
/// write_inception_rule FILE.safetensors: the Inception network with the rule's weights (inception_rule.h,
/// seed 2015) under pytorch-fid's names, so that the apps can be tried and timed without the
/// real file. Its features are worth nothing else.
#include <cstdio>
#include <exception>

#include "networks/inception_rule.h"

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_inception_rule FILE.safetensors\n");
    return 2;
  }
  const onestep::Inception m = onestep::test::rule_inception(2015);
  onestep::io::write_safetensors(argv[1], onestep::named_tensors(m), {{"source", "rule, seed 2015"}});
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
