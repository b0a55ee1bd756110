#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quality of samplers against network evaluations, with and without guidance: Markdown tables and a chart.

Scores the Fashion-MNIST teacher of scripts/quickstart.sh with every solver below at every budget of network
evaluations: FID and class accuracy through onestep-evaluate, magnitude score and distance to a fine run through
onestep-sample --compare. What is done already in --out is not done again, so that it can be stopped and continued.

  scripts/sampler_sweep.py --out runs/samplers --images 1000 --chart samplers.svg
"""
import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys

SOLVERS = ["euler", "heun", "dpmpp2m", "unipc2", "ab2", "hb1.8", "ab4", "hb3.9", "hb3.8", "ghvb3.8", "ghvb2.3", "nt3.8"]
BUDGETS = [5, 6, 8, 10, 15, 20, 35]
TWO_CALLS = {"heun"}  # 2N - 1 calls in N steps: as many steps as the budget has room for

CHARTED = ["euler", "dpmpp2m", "ab2", "ab4", "hb3.8", "ghvb2.3"]
COLOURS = ["#1f6fb4", "#c8590b", "#1f8a70", "#a43b8f", "#7a6a00", "#555f6b"]


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


def evaluate(a, solver, guidance):
    """One row of report.json's subjects for each budget."""
    folder = a.out / f"{solver}_w{guidance:g}"
    report = folder / "report.json"
    if not report.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "evaluate.yaml"
        config.write_text(yaml_of(a, solver, guidance, folder))
        subprocess.run([a.bin / "onestep-evaluate", config], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())["subjects"]


def compare(a, solvers, guidance):
    """Magnitude score and distance by (solver, steps)."""
    folder = a.out / f"compare_{'_'.join(solvers)}_w{guidance:g}"
    if not (folder / "compare.csv").exists():
        steps = sorted({steps_within(solvers[0], budget) for budget in BUDGETS})
        subprocess.run([a.bin / "onestep-sample", a.model, "--compare", ",".join(solvers), "--out", folder,
                        "--steps-list", ",".join(map(str, steps)), "--guidance", str(guidance), "--seeds", "0-127",
                        "--threads", str(a.threads)], check=True, stdout=subprocess.DEVNULL)
    with open(folder / "compare.csv") as file:
        return {(row["solver"], int(row["steps"])): row for row in csv.DictReader(file)}


def measure(a, guidance):
    """{solver: [{nfe, fid, se, accuracy, magnitude, distance} for each budget]}"""
    one_call = [s for s in SOLVERS if s not in TWO_CALLS]
    compared = compare(a, one_call, guidance)
    for solver in TWO_CALLS:
        # A finer run of the same solver stands last in the file, under the same name.
        compared |= {key: row for key, row in compare(a, [solver], guidance).items() if key[0] == solver}
    table = {}
    for solver in SOLVERS:
        table[solver] = []
        for budget, subject in zip(BUDGETS, evaluate(a, solver, guidance)):
            fid, row = subject["metrics"]["fid"], compared[solver, steps_within(solver, budget)]
            table[solver].append({"nfe": subject["nfe"], "fid": fid["value"], "se": fid["se"],
                                  "accuracy": subject["validity"]["class_accuracy"],
                                  "magnitude": float(row["magnitude_score"]), "distance": float(row["distance"])})
    return table


def markdown(table, title, cell):
    lines = [f"**{title}**", "", "| calls | " + " | ".join(map(str, BUDGETS)) + " |", "|---" * (len(BUDGETS) + 1) + "|"]
    for solver, points in table.items():
        cells = [cell(p) if p["nfe"] == b else f"{cell(p)} ({p['nfe']})" for b, p in zip(BUDGETS, points)]
        lines.append(f"| {solver} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def panel(left, title, table, value, top):
    """One chart of 300 x 220 pixels: a value in [0, top] against the number of calls."""
    width, height, below = 300, 220, 30

    def place(nfe, y):
        return (left + width * math.log(nfe / BUDGETS[0]) / math.log(BUDGETS[-1] / BUDGETS[0]),
                below + height * (1 - min(y, top * 1.02) / top))
    parts = [f'<text class="name" x="{left}" y="18">{title}</text>']
    for i in range(5):
        x, y = place(BUDGETS[0], top * i / 4)
        parts.append(f'<line class="grid" x1="{x}" y1="{y:.1f}" x2="{x + width}" y2="{y:.1f}"/>'
                     f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{top * i / 4:g}</text>')
    for nfe in BUDGETS:
        x, y = place(nfe, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle">{nfe}</text>')
    for solver, colour in zip(CHARTED, COLOURS):
        points = " ".join("{:.1f},{:.1f}".format(*place(p["nfe"], value(p))) for p in table[solver])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "\n".join(parts)


def chart(tables):
    plain, strong = min(tables), max(tables)
    panels = [panel(50, f"FID, guidance {plain:g}", tables[plain], lambda p: p["fid"], 6),
              panel(410, f"FID, guidance {strong:g}", tables[strong], lambda p: p["fid"], 12),
              panel(770, f"Distance to a fine run, guidance {strong:g}", tables[strong], lambda p: p["distance"], 0.6)]
    legend = "".join(f'<line x1="{50 + 110 * i}" y1="292" x2="{74 + 110 * i}" y2="292" stroke="{c}" stroke-width="3"/>'
                     f'<text class="name" x="{80 + 110 * i}" y="296">{s}</text>'
                     for i, (s, c) in enumerate(zip(CHARTED, COLOURS)))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1090 310" width="1090" height="310" role="img"
 aria-label="FID and distance of samplers against network calls"><style>
text {{ font: 12px system-ui, sans-serif; fill: #667080; }} .name {{ fill: #22272e; }} .grid {{ stroke: #d9dde3; }}
</style><rect width="100%" height="100%" fill="#fff"/>
{chr(10).join(panels)}
{legend}
</svg>
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default="build/release/bin", help="folder of the commands")
    parser.add_argument("--out", type=pathlib.Path, default="runs/samplers", help="folder for the reports")
    parser.add_argument("--model", default="runs/fashion_mnist/teacher/model.safetensors")
    parser.add_argument("--features", default="runs/fashion_mnist/classifier/model.safetensors")
    parser.add_argument("--images", type=int, default=1000, help="images a point")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is all cores")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 4.0])
    parser.add_argument("--chart", type=pathlib.Path, help="file for the SVG")
    a = parser.parse_args()
    tables = {guidance: measure(a, guidance) for guidance in a.guidance}
    for guidance, table in tables.items():
        error = max(p["se"] for points in table.values() for p in points)
        print(markdown(table, f"FID, guidance {guidance:g} (standard error at most {error:.2f})",
                       lambda p: f"{p['fid']:.2f}"), "\n")
        print(markdown(table, f"Images that the classifier takes for their class, guidance {guidance:g}, %",
                       lambda p: f"{100 * p['accuracy']:.0f}"), "\n")
        print(markdown(table, f"Distance to a fine run, guidance {guidance:g}", lambda p: f"{p['distance']:.3f}"), "\n")
        print(markdown(table, f"Magnitude score, guidance {guidance:g}", lambda p: f"{p['magnitude']:.3f}"), "\n")
    if a.chart:
        a.chart.write_text(chart(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
