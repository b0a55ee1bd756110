#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gives readers and parsers mutated files, each under libFuzzer with the address and undefined-behaviour sanitizers.
#
#   scripts/fuzz.sh [SECONDS [TARGET…]]   SECONDS a target (default: 60); a target is the NAME of tests/fuzz/fuzz_NAME.cpp
#
# Prints targets, runs and findings. Ends with 1 on a finding, and leaves the input that shows it in build/fuzz/findings:
# build/fuzz/bin/fuzz_NAME FILE repeats it. What mutation came upon stays in build/fuzz/corpus, for the next time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly folder=build/fuzz
case ${1:-60} in
  *[!0-9]*) sed -n '3,9s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
esac
readonly seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))

mapfile -t missing < <(missing_packages clang-14 libclang-rt-14-dev)
if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/fuzz_*.cpp; do file=${file##*/fuzz_}; targets+=("${file%.cpp}"); done
fi
scripts/setup.sh --build fuzz "${targets[@]/#/fuzz_}"

# Strings and vectors cross into libraries that are not instrumented.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export OMP_NUM_THREADS=1

number_of() { sed -n "s/^stat::$2: *//p" "$1" | tail -1; }

mkdir -p $folder/findings
total=0 found=0
printf '%-20s %12s %10s %s\n' target runs runs/s findings
for target in "${targets[@]}"; do
  corpus=$folder/corpus/$target log=$folder/$target.log
  mkdir -p "$corpus"
  "$folder/bin/fuzz_$target" --seeds "$corpus"
  code=0
  "$folder/bin/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$folder/findings/$target-" "$corpus" > "$log" 2>&1 || code=$?
  runs=$(number_of "$log" number_of_executed_units) what=0
  if [ $code -ne 0 ]; then
    found=$((found + 1))
    what="$(grep -m1 -oE '(SUMMARY|ERROR): .*' "$log" || echo "exit code $code"), see $log"
  fi
  total=$((total + ${runs:-0}))
  printf '%-20s %12s %10s %s\n' "$target" "${runs:-?}" "$(number_of "$log" average_exec_per_sec)" "$what"
done
printf '%-20s %12s %10s %s\n' all "$total" "" "$found"
[ $found -eq 0 ]
