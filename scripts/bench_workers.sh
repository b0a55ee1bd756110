#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What workers, intra-op threads and ranks are worth: images/s of a training step, alone and beside busy processes.
#
#   scripts/bench_workers.sh [SECONDS]   each figure takes so long (8)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-8}
bench=build/release/bin/bench_steps
ninja -C build/release bench_steps > /dev/null
unset GOMP_SPINCOUNT  # as on a user's machine

busy=()
trap 'kill "${busy[@]}" 2> /dev/null || true' EXIT
# with_busy N: so many processes that do nothing but compute.
with_busy() {
  local i
  kill "${busy[@]}" 2> /dev/null || true
  busy=()
  for ((i = 0; i < $1; ++i)); do
    (while :; do :; done) &
    busy+=($!)
  done
}

printf '%-12s %-34s %8s %8s %8s\n' step run alone '1 busy' '2 busy'
for config in teacher f_distill; do
  for run in "workers=1 run.batch=64" "workers=2 run.batch=64" "workers=2 run.batch=32" \
    "workers=1 run.threads=2 run.batch=64" "workers=1 run.batch=64 --ranks 2"; do
    printf '%-12s %-34s' "$config" "$run"
    for others in 0 1 2; do
      with_busy "$others"
      # shellcheck disable=SC2086
      "$bench" "configs/fashion_mnist/$config.yaml" run.$run --seconds "$seconds" |
        sed -E 's/.*\(([0-9]+) images.*/\1/' | awk '{ printf " %8s", $1 }'
    done
    echo
    with_busy 0
  done
done
