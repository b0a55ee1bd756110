#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Distils the quickstart's teacher by every method of the table below, at one budget, and scores all students in one
# report. Needs a finished scripts/quickstart.sh. Runs that are there are kept, so it goes on where it stopped.
#
#   scripts/compare.sh [IMAGES [SEEDS]]   default: 48000 images, seeds "0 1"; into runs/compare
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

images=${1:-48000} seeds=${2:-0 1}
configs=configs/fashion_mnist bin=build/release/bin runs=runs/compare source=runs/fashion_mnist
[[ $images =~ ^[0-9]+$ && $seeds =~ ^[0-9\ ]+$ ]] || { sed -n '3,6s/^# \{0,1\}//p' "$0"; exit 2; }
[ -e $source/teacher/model.safetensors ] || die "run scripts/quickstart.sh first"

# name | configuration | overrides. Uni-Instruct's reverse KL is not listed twice: exact and frozen it is SiD with
# alpha 0.5, and by the paper's weights SiD with alpha 1.
methods='
f-distill reverse KL       | f_distill           | task.divergence.name=reverse_kl
f-distill forward KL       | f_distill           | task.divergence.name=forward_kl
f-distill Jensen-Shannon   | f_distill           | task.divergence.name=jensen_shannon
f-distill Jeffreys         | f_distill           | task.divergence.name=jeffreys
SiD alpha 0.5              | sid                 | task.loss.alpha=0.5
SiD alpha 1                | sid                 | task.loss.alpha=1
SiD alpha 1.2              | sid                 | task.loss.alpha=1.2
SiDA                       | sida                |
Uni-Instruct forward KL, exact  | uni_instruct        |
Uni-Instruct forward KL, frozen | uni_instruct_frozen |
Uni-Instruct forward KL, paper  | uni_instruct_paper  |
'

# trim TEXT: without blanks at its ends.
trim() { sed 's/^ *//; s/ *$//' <<< "$1"; }

# folder NAME SEED: where a run goes.
folder() { tr ' ,' '__' <<< "$runs/$1/seed$2" | sed 's/__/_/g'; }

# train NAME CONFIG SEED OVERRIDE...
train() {
  local name=$1 config=$2 seed=$3 run
  run=$(folder "$name" "$seed")
  say "$name, seed $seed"
  "$bin/onestep-train" "$configs/$config.yaml" run.dir="$run" run.images="$images" run.seed="$seed" run.workers=1 run.threads=1 \
    task.teacher=$source/teacher/model.safetensors "${@:4}" 2> "$run.log" \
    || { tail -1 "$run.log" >&2; echo "compare.sh: '$name', seed $seed, failed (its log is $run.log)" >&2; }
}

each_method() {  # COMMAND NAME CONFIG OVERRIDES
  while IFS='|' read -r name config overrides; do
    if [ -n "$(trim "$name")" ]; then "$1" "$(trim "$name")" "$(trim "$config")" $(trim "$overrides"); fi
  done <<< "$methods"
}

# One thread a run and as many runs at once as there are cores: faster than one run on all of them.
start() {
  mkdir -p "$(dirname "$(folder "$1" "$seed")")"
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  train "$1" "$2" "$seed" "${@:3}" &
}
for seed in $seeds; do each_method start; done
wait

subject() {
  local model
  for seed in $seeds; do
    model=$(folder "$1" "$seed")/model.safetensors
    if [ -e "$model" ]; then printf '  - {kind: model, name: "%s, seed %s", path: "%s"}\n' "$1" "$seed" "$model"; fi
  done
}
{
  echo "out: $runs/report"
  echo "title: Methods at $images images"
  echo "features: {model: $source/classifier/model.safetensors}"
  echo "reference: {kind: dataset, data: {kind: fashion_mnist, split: test}}"
  echo "images: 5000"
  echo "subjects:"
  printf '  - {kind: model, name: "teacher, Heun 18 steps", path: %s/teacher/model.safetensors, sampler: {solver: heun, steps: 18}}\n' $source
  each_method subject
} > $runs/evaluate.yaml
"$bin/onestep-evaluate" $runs/evaluate.yaml | tee $runs/scores.txt
