#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What of OneStep works on a GPU, in two halves: prepared on any machine, run on a bare one that has the GPU.
#
#   scripts/gpu_check.sh pack            builds the programs and gathers all that they need in build/gpu_pack, and the
#                                        same in one file, build/gpu_pack.tar.gz
#   scripts/gpu_check.sh run [OPTION…]   runs the check from either (or from any copy of that folder: its own `run`);
#                                        options of scripts/gpu_check/check.py, such as --out DIR and --device cpu
#
# The machine with the GPU needs a driver, Python 3 with torch 2.11 (CUDA 13) and glibc 2.36: no network, no compiler.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly pack=build/gpu_pack archive=build/gpu_pack.tar.gz build=build/gpu
readonly tools=(bench_steps bench_samplers bench_metrics bench_kernels compare_devices compare_runs)

build() {
  local cuda=ON torch
  if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
    say "no nvcc here: the pack has no CUDA kernels and runs with --device cpu alone"
    cuda=AUTO
  fi
  scripts/setup.sh
  # Without image files, which a bare machine has no libraries for; with an RPATH that holds anywhere.
  cmake --preset cuda -B "$build" -DONESTEP_CUDA=$cuda -DONESTEP_OPENCV=OFF -DONESTEP_RELOCATABLE=ON >&2
  cmake --build "$build" --parallel "$(build_jobs)" --target all "${tools[@]}" >&2
}

# The shared libraries of a program that are neither the system's own nor LibTorch's.
foreign_libraries() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|librt|libutil|libpthread|libstdc\+\+|libgcc_s|ld-linux[^/]*)\.so' | grep -vE '/(torch|nvidia)/|/cuda'
}

# The LibTorch that the pack was built with.
libtorch() { sed -n 's/^LIBTORCH_ROOT:PATH=//p' "$build/CMakeCache.txt"; }

gather() {
  local program
  rm -rf "$pack"
  mkdir -p "$pack"/{bin,lib,scripts,data/fashion-mnist,tests}
  # Test programs that meet a GPU; what those of devices and tasks do there, compare_devices and compare_runs do, too.
  cp "$build"/bin/{onestep-{train,sample,evaluate},test_{kernels,parallel,networks,samplers,losses,evaluation,training,distillation}} "$pack/bin"
  for program in "${tools[@]}"; do cp "$build/bin/$program" "$pack/bin"; done
  if [ -e "$build/lib/libonestep_cuda.so" ]; then cp "$build/lib/libonestep_cuda.so" "$pack/lib"; fi
  LD_LIBRARY_PATH=$(libtorch)/lib foreign_libraries "$pack"/bin/* | xargs -r cp -Lt "$pack/lib"
  strip "$pack"/bin/* "$pack"/lib/*
  cp -r configs "$pack"
  find "$pack/configs" -type f ! -name '*.yaml' -delete
  cp -r tests/golden "$pack/tests"
  rm -r "$pack"/tests/golden/{checkpoint,data,images,npz,evaluation/features*}  # of tests without a GPU
  cp -r scripts/gpu_check scripts/bench_torch.py scripts/torch_peer "$pack/scripts"
  cp /usr/share/datasets/fashion-mnist/t10k-*.gz "$pack/data/fashion-mnist"
  printf '#!/bin/sh\nexec python3 "$(dirname "$0")/scripts/gpu_check/check.py" "$@"\n' > "$pack/run"
  chmod +x "$pack/run"
  find "$pack" -name __pycache__ -prune -exec rm -rf {} +
}

case ${1:-} in
  pack)
    build
    gather
    tar -czf "$archive" -C "$(dirname "$pack")" "$(basename "$pack")"
    touch "$pack/run"  # newer than the archive: `run` has no need to unpack it here
    mib=$(( $(stat -c %s "$archive") / 1048576 ))
    [ "$mib" -le 48 ] || die "the pack takes $mib MiB, more than 48"
    say "$archive: $mib MiB; on the machine with the GPU: scripts/gpu_check.sh run, or unpack it and call its run"
    ;;
  run)
    if [ -e "$archive" ] && [ ! "$pack/run" -nt "$archive" ]; then
      rm -rf "$pack"
      tar -xzf "$archive" -C "$(dirname "$pack")"
      touch "$pack/run"
    fi
    [ -x "$pack/run" ] || die "there is no pack: scripts/gpu_check.sh pack makes it"
    torch=()
    if ! python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' && [ -e "$build/CMakeCache.txt" ]; then
      torch=(--torch "$(libtorch)")
    fi
    exec "$pack/run" --out build/gpu_check "${torch[@]}" "${@:2}"
    ;;
  *) sed -n '3,10s/^# \{0,1\}//p' "$0"; [ "${1:-}" = --help ] && exit 0 || exit 2 ;;
esac
