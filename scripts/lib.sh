# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts share; sourced, with the repository root as the working folder afterwards.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# What the commands set for themselves, for everything else that a script starts: bits of matrix products that do not
# depend on where operands lie in memory.
export MKL_CBWR=${MKL_CBWR:-AVX2,STRICT}
# Threads that wait for others give up their core soon (libgomp): with another program on one of two cores that is ten
# times as fast, and alone no slower.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-2000}

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# The arguments that are names of Debian packages not yet installed.
missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Installs Debian packages, as root or through sudo; dies with the command to run by hand where that cannot be.
apt_install() {
  local sudo=()
  local by_hand="apt-get install $*"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing; run as root: $by_hand"
    sudo=(sudo)
  fi
  say "installing from the distribution: $*"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update || say "apt-get update failed; going on with the package lists that are here"
  "${apt[@]}" install -y --no-install-recommends "$@" || die "could not install; see above, or run: $by_hand"
}

# How many compilers to run at once: one a core, and 1.5 GiB of memory for each.
build_jobs() {
  local kib limit jobs by_memory
  kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  if [ -r /sys/fs/cgroup/memory.max ] && read -r limit < /sys/fs/cgroup/memory.max && [ "$limit" != max ]; then
    kib=$((limit / 1024 < kib ? limit / 1024 : kib))
  fi
  jobs=$(nproc)
  by_memory=$((kib / 1572864))
  if [ "$by_memory" -lt "$jobs" ]; then jobs=$by_memory; fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  echo "$jobs"
}
