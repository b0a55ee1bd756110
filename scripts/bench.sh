#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One table of everything that OneStep claims to be fast at, its peers beside it in the same run, on this machine's CPU.
#
#   scripts/bench.sh [--quick] [--only NAME…] [--threads N] [--out DIR] [--compare OLD.json]
#
# Builds what it times, then runs both sides of each row in turns: CPU time, medians, and the ratio of the medians. Prints
# the table and writes bench.json and bench.md into DIR (build/bench). --compare names what got slower since OLD.json
# beyond the noise of the repeats. scripts/bench/bench.py --help has the other options; what a GPU does is
# scripts/gpu_check.sh's. A goal that is missed is a figure, and no failure: the exit code is 1 where a program failed.
set -euo pipefail
folder=$PWD  # what options name lies from here
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly targets=(apps bench_roofline bench_steps bench_samplers bench_networks bench_metrics bench_kernels bench_loader
  write_inception_rule)

for option in "$@"; do
  case $option in
    -h | --help | --list | --new) exec python3 scripts/bench/bench.py --from "$folder" "$@" ;;  # nothing is run
  esac
done
scripts/setup.sh --build release "${targets[@]}" >&2
unset MKL_CBWR GOMP_SPINCOUNT  # each side as its users have it
exec python3 scripts/bench/bench.py --from "$folder" "$@"
