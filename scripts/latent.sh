#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same in latents: an autoencoder of Fashion-MNIST or of emoji, a small transformer that predicts a flow's velocity in its
# latents, a one-step student of that, and scores after decoding. Run again after an interruption, it goes on where it stopped.
#
#   scripts/latent.sh [fashion|emoji]           into runs/latent_fashion (the default) or runs/latent_emoji
#   scripts/latent.sh [fashion|emoji] --smoke   the same path with tiny budgets, into runs/smoke: does all of it run?
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

# The student's method: any configuration of that folder will do.
set_name=fashion method=sid
case ${1:-} in
  fashion) shift ;;
  emoji) set_name=emoji method=f_distill && shift ;;
esac
recipe_of "latent_$set_name" "$method" "$@"
stage "set up and build" scripts/setup.sh --build release apps
[ $set_name = fashion ] || stage "data" make_emoji
run_recipe
