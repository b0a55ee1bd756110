# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What recipes have in common; sourced. A recipe is a folder of configurations (classifier.yaml, in latents autoencoder.yaml,
# teacher.yaml, one for its student, evaluate.yaml) that are run one after the other, each going on where it was stopped.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bin=build/release/bin
train_classifier=() train_autoencoder=() encode=() train_teacher=() train_student=() evaluate=()
encoded=()  # what teacher and student are told of the latents that they learn from

# recipe_of NAME METHOD [--smoke]: where things are, and with --smoke tiny budgets, into runs/smoke; prints the head of
# the calling script for any other option.
recipe_of() {
  configs=configs/$1 method=$2 runs=runs/$1
  case ${3:-} in
    '') ;;
    --smoke)
      runs=runs/smoke
      rm -rf "$runs"
      train_classifier=(run.images=4000) train_autoencoder=(run.images=4000 task.adversarial.start_kimg=2) train_teacher=(run.images=2000) train_student=(run.images=1000)
      encode=(data.of.limit=1000) evaluate=(images=256)
      ;;
    *) awk 'NR > 2 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0" && exit 2 ;;
  esac
  classifier=$runs/classifier autoencoder=$runs/autoencoder teacher=$runs/teacher student=$runs/$method
  grids=$runs/grids report=$runs/report scores=$runs/scores.txt
}

stages=()
# stage NAME COMMAND...: runs the command and keeps its time for the table at the end.
stage() {
  local name=$1 start=$EPOCHREALTIME
  shift
  say "$name: $*"
  "$@"
  stages+=("$(awk -v name="$name" -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%-22s %7.1f s", name, b - a }')")
}

# newer FILE THAN...: whether FILE is there and younger than all the others.
newer() {
  local file=$1 other
  for other in "${@:2}"; do [ "$file" -nt "$other" ] || return 1; done
}

# draw FILE RUN OPTION...: one sheet of a model, a row for each class.
draw() {
  local file=$grids/$1 model=$2/model.safetensors
  newer "$file" "$model" || "$bin/onestep-sample" "$model" --class-grid 12 --zoom 2 --grid-file "$file" "${@:3}"
}

make_emoji() {
  local data=runs/emoji/data.zip
  mkdir -p "$(dirname "$data")"
  newer "$data" scripts/make_emoji.py || scripts/make_emoji.py "$data"
}

draw_grids() {
  mkdir -p "$grids"
  draw student_1_step.png "$student"
  draw teacher_heun_18_steps.png "$teacher" --solver heun --steps 18
  draw teacher_1_step.png "$teacher" --solver one_step
}

# The command prints its table of distances; it is kept, to be shown at the end.
score() {
  newer "$scores" "$configs/evaluate.yaml" {"$classifier","$teacher","$student"}/model.safetensors && return
  "$bin/onestep-evaluate" "$configs/evaluate.yaml" out="$report" features.model="$classifier/model.safetensors" \
    subjects.0.path="$student/model.safetensors" subjects.1.path="$teacher/model.safetensors" \
    subjects.2.path="$teacher/model.safetensors" "${evaluate[@]}" > "$scores.part"
  mv "$scores.part" "$scores"
}

# Feature network, autoencoder, teacher, student, images, scores, and a table of how long each took.
run_recipe() {
  stage "classifier" "$bin/onestep-train" "$configs/classifier.yaml" run.dir="$classifier" "${train_classifier[@]}"
  if [ -e "$configs/autoencoder.yaml" ]; then
    stage "autoencoder" "$bin/onestep-train" "$configs/autoencoder.yaml" run.dir="$autoencoder" "${train_autoencoder[@]}"
    encoded=(data.autoencoder="$autoencoder/model.safetensors" "${encode[@]}")
    evaluate+=(subjects.3.autoencoder="$autoencoder/model.safetensors")
  fi
  stage "teacher" "$bin/onestep-train" "$configs/teacher.yaml" run.dir="$teacher" "${encoded[@]}" "${train_teacher[@]}"
  stage "one-step student" "$bin/onestep-train" "$configs/$method.yaml" run.dir="$student" \
    task.teacher="$teacher/model.safetensors" evaluation.features.model="$classifier/model.safetensors" "${encoded[@]}" \
    "${train_student[@]}"
  stage "grids" draw_grids
  stage "scores" score

  echo
  cat "$scores"
  echo
  printf '%s\n' "${stages[@]}"
  echo
  echo "one-step images: $grids/student_1_step.png"
  echo "report:          $report/report.html"
}
