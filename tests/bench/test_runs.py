# SPDX-License-Identifier: Apache-2.0
"""A run of the bench with programs that are scripts of the test's own: turns, failures, what is written."""
import contextlib
import io
import json
import os
import pathlib
import tempfile
import unittest
from unittest import mock

from making import result_of, result_row  # first: it finds the scripts

import bench
import programs
import rows
from rows import Row, Side

# Prints what its arguments say it took, and writes down that it ran.
TELL = """
import json, sys
name, *seconds = sys.argv[1:]
with open("ran", "a") as file:
    file.write(name + " ")
print('{"num_choices": 2, "best_kernel": "addmm"}')  # as a compiler does
for what, second in zip("xy", seconds):
    print(json.dumps({"what": what, "items": 4, "cpu_sec": 4 * float(second), "wall_sec": 8 * float(second), "gflop": 40}))
"""
FAIL = """
import sys
print('{"num_choices": 2}')  # no measurement
open("ran", "a").write("fail ")
sys.exit("no weights")
"""
BUSY = """
import subprocess, sys, time
if sys.argv[1:] == ["child"]:
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
else:
    time.sleep(0.2)
    subprocess.run([sys.executable, __file__, "child"], check=True)
"""
ROOFLINE = [{"what": "matrix product", "dtype": "float32", "gflop_per_cpu_sec": 50.0}]


class Runs(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.root = pathlib.Path(temporary.name).resolve()
        for name, text in (("tell.py", TELL), ("busy.py", BUSY), ("fail.py", FAIL)):
            (self.root / name).write_text(text)

    def bench(self, table, *arguments):
        """Exit code, the result that was written, and what was printed; of a table of the test's own."""
        def roofline(self):
            self.peak["float32"] = 50.0
            return ROOFLINE

        out, said = io.StringIO(), io.StringIO()
        with mock.patch.object(bench, "ROOT", self.root), mock.patch.object(rows, "ROWS", table), \
                mock.patch.object(bench.Bench, "roofline", roofline), contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = bench.main(["--out", str(self.root / "out"), *map(str, arguments)])
        written = self.root / "out" / "bench.json"
        return code, json.loads(written.read_text()) if written.exists() else None, out.getvalue() + said.getvalue()

    def test_both_sides_run_in_turns_and_rows_share_them(self):
        ours, peer = Side("OneStep", "tell.py ours 1"), Side("peer", "tell.py peer 3")
        table = [Row("a", "words", ours, peer, 2.0), Row("b", "words", ours, Side("other", "tell.py other 0.5", warm=True), 2.0)]
        code, result, said = self.bench(table, "--repeats", 3)
        self.assertEqual((self.root / "ran").read_text(), "other ours peer other other peer ours ours peer other ")
        self.assertEqual(code, 0)  # a goal that is missed is no failure
        self.assertEqual([(row["ratio"], row["met"]) for row in result["rows"]], [(3.0, True), (0.5, False)])
        self.assertEqual(result["rows"][0]["ours"]["cpu_samples"], [1.0, 1.0, 1.0])
        self.assertEqual(result["rows"][0]["ours"]["share_of_peak"], 0.2)  # 10 GFLOP a second, of 50
        self.assertIn("| a | words | 1 images/s | peer: 0.333 images/s | 3.00 × ± 0.00 | ≥ 2 ×, met | 20 % (7 %) |", said)
        self.assertEqual((self.root / "out" / "bench.md").read_text().splitlines()[0], "# Bench")

    def test_lines_are_chosen_by_what_they_are_about(self):
        ours, peer = "tell.py ours 1 2", "tell.py peer 3 8"
        table = [Row("a", "words", Side("OneStep", ours, "y"), Side("peer", peer, "y")),
                 Row("k", "words", Side("OneStep", ours), Side("peer", peer), each=True)]
        _, result, _ = self.bench(table, "--repeats", 1)
        self.assertEqual({row["name"]: row["ratio"] for row in result["rows"]}, {"a": 4.0, "k x": 3.0, "k y": 4.0})
        self.assertEqual((self.root / "ran").read_text(), "ours peer ")

    def test_a_program_that_fails_is_said_and_runs_once(self):
        table = [Row("a", "words", Side("OneStep", "tell.py ours 1"), Side("peer", "fail.py")),
                 Row("b", "words", Side("OneStep", "tell.py ours 1"), Side("peer", "tell.py peer 2"))]
        code, result, said = self.bench(table, "--repeats", 2)
        self.assertEqual(code, 1)
        self.assertEqual((self.root / "ran").read_text(), "ours fail peer peer ours ")
        self.assertEqual([row["state"] for row in result["rows"]], ["FAILED", "measured"])
        self.assertIn("fail.py: exit code 1: no weights", result["rows"][0]["why"])
        self.assertIn("FAILED: OMP_NUM_THREADS=1 fail.py", said)

    def test_a_line_that_is_missing_is_a_failure(self):
        table = [Row("a", "words", Side("OneStep", "tell.py ours 1", "z"), Side("peer", "tell.py peer 2"))]
        code, result, _ = self.bench(table, "--repeats", 1)
        self.assertEqual((code, result["rows"][0]["state"]), (1, "FAILED"))

    def test_what_is_left_out_is_said(self):
        side = Side("OneStep", "tell.py ours 1")
        table = [Row("a", "words", side, side, slow=True), Row("b", "words", side, side, needs=("no",))]
        with mock.patch.dict(bench.needs.CHECKS, {"no": lambda _: "there is none"}):
            code, result, _ = self.bench(table, "--quick")
        self.assertEqual(code, 0)
        self.assertEqual([(row["state"], row["why"]) for row in result["rows"]],
                         [("not run", "--quick leaves it out"), ("not run", "there is none")])

    def test_a_later_run_is_compared(self):
        old = self.root / "old.json"
        old.write_text(json.dumps(result_of(result_row("a", [1.0] * 3, [6.0] * 3))))
        table = [Row("a", "words", Side("OneStep", "tell.py ours 1"), Side("peer", "tell.py peer 3"))]
        code, _, said = self.bench(table, "--repeats", 3, "--compare", old)
        self.assertEqual(code, 0)
        self.assertIn("slower: a\n", said)
        for text in ("{", "[]", '{"schema": 0}'):
            old.write_text(text)
            with self.assertRaisesRegex(SystemExit, "old.json"):
                self.bench(table, "--compare", old)

    def test_a_row_that_does_not_exist(self):
        code, result, said = self.bench([], "--only", "zzz")
        self.assertEqual((code, result), (2, None))
        self.assertIn("--only zzz: no row", said)

    def test_cpu_time_is_the_childrens_too(self):
        ended = programs.run("busy.py", self.root, 1, self.root)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertGreater(ended.cpu, 0.3)
        self.assertGreater(ended.wall, 0.5)

    def test_one_that_hangs_is_stopped(self):
        (self.root / "hang.py").write_text("import time\ntime.sleep(60)\n")
        with mock.patch.object(programs, "LIMIT", 0.5):
            ended = programs.run("hang.py", self.root, 1, self.root)
            self.assertEqual(ended.why(), "stopped after 0.5 s")


if __name__ == "__main__":
    unittest.main()
