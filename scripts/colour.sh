#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same in colour: 1,861 emoji of 32 x 32 pixels in nine classes, drawn from Debian's font, a teacher that predicts a flow's
# velocity, and a one-step student of it. 21 minutes on two cores, after set-up. Run again after an interruption, it goes on where
# it stopped.
#
#   scripts/colour.sh           into runs/emoji
#   scripts/colour.sh --smoke   the same path with tiny budgets, into runs/smoke: does all of it run?
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

recipe_of emoji f_distill "$@"
stage "set up and build" scripts/setup.sh --build release apps
stage "data" make_emoji
run_recipe
