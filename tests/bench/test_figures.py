# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios and their errors, and what counts as slower."""
import math
import statistics
import unittest

from making import result_of, result_row  # first: it finds the scripts

import compare
import table
from figures import log_error, ratio_of, side_of, t95, with_shares


class Figures(unittest.TestCase):
    def test_a_ratio_is_the_peers_time_over_ours(self):
        row = result_row("a", [1.0, 2.0, 9.0], [6.0, 4.0, 5.0])
        self.assertEqual(row["ours"]["cpu_sec_per_item"], 2.0)
        self.assertEqual(row["peer"]["cpu_sec_per_item"], 5.0)
        self.assertEqual(row["ratio"], 2.5)
        self.assertEqual(row["ours"]["spread"], 4.0)

    def test_clocks_are_kept_apart(self):
        ours, peer = side_of("a", "c", [(1.0, 4.0)]), side_of("b", "d", [(2.0, 2.0)])
        found = ratio_of(ours, peer)
        self.assertEqual((found["ratio"], found["ratio_wall"]), (2.0, 0.5))

    def test_the_error_is_of_pairs(self):
        # Both sides are slowed alike from turn to turn: their ratio has no error at all.
        self.assertLess(result_row("a", [1.0, 2.0, 4.0], [3.0, 6.0, 12.0])["ratio_error"], 1e-12)
        self.assertGreater(result_row("a", [1.0, 2.0, 4.0], [12.0, 6.0, 3.0])["ratio_error"], 0.5)

    def test_the_error_of_a_median(self):
        logs = [math.log(x) for x in (1.0, 1.1, 1.2, 1.3)]
        self.assertAlmostEqual(log_error(logs), 1.2533141 * statistics.stdev(logs) / 2, 6)
        self.assertIsNone(log_error(logs[:1]))

    def test_students_t(self):
        self.assertEqual([t95(d) for d in (1, 2, 8, 11, 14, 1000)], [12.71, 4.30, 2.31, 2.23, 2.18, 2.00])

    def test_shares_of_the_peak(self):
        row = result_row("a", [0.5], [1.0])
        with_shares(row, 20.0, 100.0)
        self.assertEqual((row["ours"]["gflop_per_cpu_sec"], row["ours"]["share_of_peak"]), (40.0, 0.4))
        self.assertEqual(row["peer"]["share_of_peak"], 0.2)


class Comparison(unittest.TestCase):
    def verdict(self, old, new):
        change, = compare.changes(result_of(result_row("a", *old)), result_of(result_row("a", *new)))
        return change["verdict"]

    def test_slower_and_faster(self):
        quiet = [1.0, 1.01, 0.99, 1.0, 1.0], [2.0, 2.0, 2.01, 2.0, 1.99]
        slow = [1.2, 1.21, 1.19, 1.2, 1.2], quiet[1]
        self.assertEqual(self.verdict(quiet, slow), "slower")
        self.assertEqual(self.verdict(slow, quiet), "faster")
        self.assertEqual(self.verdict(quiet, quiet), "level")

    def test_a_slower_machine_is_no_slower_program(self):
        quiet = [1.0, 1.01, 0.99], [2.0, 2.0, 2.01]
        self.assertEqual(self.verdict(quiet, tuple([3 * s for s in side] for side in quiet)), "level")

    def test_noise_hides_a_change(self):
        noisy = [0.7, 1.0, 1.4], [2.0, 2.0, 2.0]
        self.assertEqual(self.verdict(noisy, ([1.05, 1.5, 2.1], [2.0, 2.0, 2.0])), "level")

    def test_less_than_the_floor_is_nothing(self):
        self.assertEqual(self.verdict(([1.0] * 9, [2.0] * 9), ([1.02] * 9, [2.0] * 9)), "level")
        self.assertEqual(self.verdict(([1.0] * 9, [2.0] * 9), ([1.05] * 9, [2.0] * 9)), "slower")

    def test_one_repeat_needs_a_large_change(self):
        self.assertEqual(self.verdict(([1.0], [2.0]), ([1.1], [2.0])), "level")
        self.assertEqual(self.verdict(([1.0], [2.0]), ([1.3], [2.0])), "slower")

    def test_the_text_names_what_is_slower_and_what_is_missing(self):
        skipped = {"name": "c", "state": "not run", "why": "no compiler"}
        old = result_of(result_row("a", [1.0] * 3, [2.0] * 3), result_row("b", [1.0] * 3, [2.0] * 3), result_row("c", [1.0], [1.0]))
        new = result_of(result_row("a", [1.0] * 3, [2.0] * 3), result_row("b", [2.0] * 3, [2.0] * 3), skipped, cpu="another")
        said = compare.text(old, new)
        self.assertIn("cpu differs: a CPU, now another", said)
        self.assertIn("measured then, not now: c", said)
        self.assertTrue(said.endswith("slower: b\n"), said)
        self.assertIn("| b | 2.00 × | 1.00 × | **slower** -50% | from 3% on | -50% speed |", said)


class Table(unittest.TestCase):
    def test_goals_and_states(self):
        slow = {"name": "f", "what": "x | y", "goal": 1.2, "peer_label": "torch.compile", "state": "not run", "why": "no compiler"}
        said = table.markdown(result_of(result_row("a", [0.5], [1.0], 1.6), result_row("b", [1.0], [1.0], 1.6), slow))
        self.assertIn("| a | words | 2 images/s | peer: 1 images/s | 2.00 × | ≥ 1.6 ×, met |  |", said)
        self.assertIn("| 1.00 × | ≥ 1.6 ×, missed |", said)
        self.assertIn("| f | x \\| y | | torch.compile | not run: no compiler | ≥ 1.2 × | |", said)


if __name__ == "__main__":
    unittest.main()
