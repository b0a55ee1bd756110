#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds and runs every test. Arguments go to ctest: scripts/test.sh -R kernels
#   ONESTEP_PRESET   the preset to test (default: release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=${ONESTEP_PRESET:-release}
scripts/setup.sh --build "$preset"
say "testing preset $preset"
ctest --preset "$preset" --no-tests=error --timeout 600 --parallel "$(nproc)" "$@"
