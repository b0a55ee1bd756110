#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the costly steps of an evaluation as others do them: beside tests/evaluation/bench_metrics.cpp.

  scripts/bench_metrics.py root 2048              scipy's sqrtm of the product of two covariances
  scripts/bench_metrics.py neighbours 10000 2048  torch-fidelity's precision and recall of 10,000 x 10,000 features

Prints wall and CPU seconds and the peak memory of the process, in one line of JSON. OMP_NUM_THREADS sets the threads.
"""
import argparse
import json
import resource

import bench_fid  # fetches torch-fidelity, scipy and NumPy once
from torch_peer import torch


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def features(seed, n, d):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) / torch.arange(1, d + 1).sqrt()


def bench_root(d):
    import scipy.linalg

    covariances = [torch.cov(features(seed, 2 * d, d).T).numpy() for seed in (1, 2)]
    means = [features(seed, 2 * d, d).mean(0).numpy() for seed in (1, 2)]

    def distance():
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
        gap = means[0] - means[1]
        return gap @ gap + covariances[0].trace() + covariances[1].trace() - 2 * root.trace()

    return f"scipy {scipy.__version__} sqrtm", distance


def bench_neighbours(n, d):
    from torch_fidelity.metric_prc import prc_features_to_metric

    a, b = features(1, n, d).float(), features(2, n, d).float()
    return "torch-fidelity precision and recall", lambda: prc_features_to_metric(a, b, verbose=False)["precision"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("root").add_argument("d", type=int)
    neighbours = steps.add_parser("neighbours")
    neighbours.add_argument("n", type=int)
    neighbours.add_argument("d", type=int)
    options = parser.parse_args()
    what, work = bench_root(options.d) if options.step == "root" else bench_neighbours(options.n, options.d)
    before = peak_mib()
    result, wall, used = bench_fid.timed(work)
    print(json.dumps({"what": what, "items": 1, "wall_sec": wall, "cpu_sec": used, "peak_mib": round(peak_mib()),
                      "mib_before": round(before), "result": float(result)}))


if __name__ == "__main__":
    main()
