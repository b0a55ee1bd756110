#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets what OneStep builds with, and builds it. Safe to run again: what is there is not fetched twice.
#
#   scripts/setup.sh                             Debian packages and LibTorch
#   scripts/setup.sh --build [PRESET [TARGET…]]  the same, then configure and build into build/PRESET
#                                                (default: all of release; the target apps is the three commands)
#
# LibTorch comes from the PyTorch wheel, into a cache outside the clone that all clones share:
#   ONESTEP_CACHE   the cache folder (default: ${XDG_CACHE_HOME:-~/.cache}/onestep)
#   LIBTORCH_ROOT   the `torch` folder of a wheel of one's own, instead
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly torch_version=2.11.0
readonly cpu_wheels=("torch==$torch_version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
readonly toolkit_wheels=(nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5 nvidia-cufile==1.15.1.6)
readonly cache=${ONESTEP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onestep}

install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "no Debian packages here: CMake will say which library it misses"
    return
  fi
  # Tools may come from elsewhere than the distribution; libraries and data may not.
  local tool package wanted=()
  for tool in cmake:cmake ninja:ninja-build g++:g++ pkg-config:pkg-config ccache:ccache git:git \
      python3:python3 flock:util-linux ps:procps; do
    command -v "${tool%%:*}" >/dev/null || wanted+=("${tool#*:}")
  done
  python_with_pip >/dev/null || wanted+=(python3-pip)
  for package in $(missing_packages libyaml-cpp-dev libcli11-dev libspdlog-dev nlohmann-json3-dev catch2 \
      libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libjpeg-dev libpng-dev libzip-dev zlib1g-dev libssl-dev \
      dataset-fashion-mnist python3-jsonschema python3-pil python3-numpy fonts-noto-color-emoji unicode-data); do
    wanted+=("$package")
  done
  if [ ${#wanted[@]} -eq 0 ]; then
    say "Debian packages: all there"
  else
    apt_install "${wanted[@]}"
  fi
}

python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then echo "$python"; return; fi
  done
  return 1
}

has_toolkit() {
  local nvcc library
  nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
  [ -x "$nvcc" ] || return 1
  for library in libcublas.so.13 libcudnn.so.9 libnccl.so.2; do
    [ -e "$(dirname "$nvcc")/../lib64/$library" ] || ldconfig -p | grep -q "$library" || return 1
  done
}

has_gpu() { [ -e /dev/nvidia0 ]; }

# Whether folder $1 holds all libraries that the kind of installation $2 needs.
is_complete() {
  local library
  for library in torch/lib/libtorch_cpu.so nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13; do
    [ -e "$1/$library" ] || return 1
  done
  [ "$2" = cpu ] || [ -e "$1/nvidia/cusparselt/lib/libcusparseLt.so.0" ]
}

# Puts LibTorch into the cache, and its `torch` folder into the variable libtorch.
install_libtorch() {
  if [ -n "${LIBTORCH_ROOT:-}" ]; then
    [ -e "$LIBTORCH_ROOT/lib/libtorch_cpu.so" ] || die "LIBTORCH_ROOT=$LIBTORCH_ROOT holds no lib/libtorch_cpu.so"
    libtorch=$LIBTORCH_ROOT
    say "LibTorch: $libtorch (LIBTORCH_ROOT)"
    return
  fi
  # cpu: no use for the GPU half of the wheel. toolkit: it runs on the libraries of the machine's own CUDA toolkit.
  # gpu: there is no toolkit, so that all of those libraries come as wheels.
  local kind folder
  if has_toolkit; then kind=toolkit; elif has_gpu; then kind=gpu; else kind=cpu; fi
  folder=$cache/libtorch-$torch_version-$([ $kind = gpu ] && echo cuda || echo cpu)
  libtorch=$folder/torch
  mkdir -p "$cache" || die "cannot write the cache folder $cache; set ONESTEP_CACHE to another"
  exec 9> "$cache/.lock"
  flock -n 9 || { say "waiting for another setup to finish"; flock 9; }
  if is_complete "$folder" $kind; then
    say "LibTorch $torch_version: $libtorch"
  else
    download_libtorch "$folder" $kind
  fi
  exec 9>&-
}

download_libtorch() {
  local folder=$1 kind=$2 python what=("${cpu_wheels[@]}") dependencies=(--no-deps)
  case $kind in
    cpu) say "downloading LibTorch $torch_version for the CPU (about 550 MB) to $folder" ;;
    toolkit) what+=("${toolkit_wheels[@]}")
      say "downloading LibTorch $torch_version for the CUDA toolkit of this machine (about 800 MB) to $folder" ;;
    gpu) dependencies=()
      say "downloading LibTorch $torch_version with all of CUDA (about 2.7 GB) to $folder" ;;
  esac
  python=$(python_with_pip) || die "python3 has no pip; install the package python3-pip"
  # Installed beside its place, then moved there whole: an interrupted download leaves nothing that looks finished.
  rm -rf "$cache"/.partial.*
  partial=$(mktemp -d "$cache/.partial.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  mkdir "$partial/temporary"
  PIP_ROOT_USER_ACTION=ignore TMPDIR=$partial/temporary "$python" -m pip install --no-user --no-cache-dir --disable-pip-version-check \
    --only-binary :all: "${dependencies[@]}" --target "$partial/site" "${what[@]}" >&2 ||
    die "LibTorch could not be downloaded; try again, or set LIBTORCH_ROOT to the torch folder of a $torch_version wheel"
  is_complete "$partial/site" "$kind" || die "the wheels do not hold what was expected; nothing was installed"
  rm -rf "$folder"
  mv -T "$partial/site" "$folder"
  rm -rf "$partial"
  say "LibTorch $torch_version: $libtorch"
}

build() {
  local preset=$1 targets=("${@:2}") jobs
  jobs=$(build_jobs)
  say "building ${targets[*]:-all} of preset $preset into build/$preset, $jobs at a time"
  cmake --preset "$preset" -DLIBTORCH_ROOT="$libtorch" >&2
  cmake --build --preset "$preset" --parallel "$jobs" ${targets[0]:+--target "${targets[@]}"} >&2
}

what=()
case ${1:-} in
  '') ;;
  --build) what=("${2:-release}" "${@:3}") ;;
  *) sed -n '3,11s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
esac
install_packages
install_libtorch
if [ ${#what[@]} -gt 0 ]; then build "${what[@]}"; fi
