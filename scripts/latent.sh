#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same in latents: an autoencoder of Fashion-MNIST, a small transformer that predicts a flow's velocity in its latents, a
# one-step student of that, and scores after decoding. Run again after an interruption, it goes on where it stopped.
#
#   scripts/latent.sh           into runs/latent_fashion
#   scripts/latent.sh --smoke   the same path with tiny budgets, into runs/smoke: does all of it run?
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

# The student's method: any configuration of that folder will do.
recipe_of latent_fashion sid "$@"
stage "set up and build" scripts/setup.sh --build release apps
run_recipe
