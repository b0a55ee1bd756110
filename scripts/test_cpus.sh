#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests as on other machines, after scripts/test.sh has built them: the numerical ones under the instruction sets
# of smaller CPUs, those of learning under three more seeds.
#   ONESTEP_PRESET   the preset to test (default: release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly preset=${ONESTEP_PRESET:-release}
readonly numerical='^(kernels|noise|divergences|data|networks|samplers|losses|evaluation|training|distillation|tasks|devices)$'

# What ATen compiles for plain x86-64, and for AVX2; oneDNN's sets of the same names.
for set in default:SSE41 avx2:AVX2; do
  say "numerical tests under ATEN_CPU_CAPABILITY=${set%:*}, ONEDNN_MAX_CPU_ISA=${set#*:}"
  ATEN_CPU_CAPABILITY=${set%:*} ONEDNN_MAX_CPU_ISA=${set#*:} \
    ctest --preset "$preset" --no-tests=error --timeout 900 --parallel "$(nproc)" -R "$numerical"
done
for seed in 1 2 3; do
  say "tests of learning, seed $seed"
  for program in networks tasks; do
    OMP_NUM_THREADS=1 ONESTEP_TEST_SEED=$seed "build/$preset/bin/test_$program" '[learning]'
  done
done
