#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole of OneStep on Fashion-MNIST, from a bare machine to a scored one-step generator: 3 to 8 minutes on
# two cores after the setup. Run again after an interruption, it goes on where it stopped.
#
#   scripts/quickstart.sh           into runs/fashion_mnist
#   scripts/quickstart.sh --smoke   the same path with tiny budgets, into runs/smoke: does all of it run?
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

# The student's method: any configuration of that folder will do.
recipe_of fashion_mnist uni_instruct_frozen "$@"
stage "set up and build" scripts/setup.sh --build release apps
run_recipe
