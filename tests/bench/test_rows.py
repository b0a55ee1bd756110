# SPDX-License-Identifier: Apache-2.0
"""The table of rows names what there is: programs that are built, files that exist, checks that are known."""
import collections
import pathlib
import random
import re
import shlex
import tempfile
import types
import unittest
import zlib

from making import ROOT  # first: it finds the scripts

import files
import needs
import rows

SIDES = [side for row in rows.ROWS for side in (row.ours, row.peer)]


class Rows(unittest.TestCase):
    def test_names_are_unique_and_have_no_space(self):
        names = collections.Counter(row.name for row in rows.ROWS)
        self.assertEqual([name for name, count in names.items() if count > 1 or " " in name], [])

    def test_every_program_is_built_and_every_file_exists(self):
        said = (ROOT / "scripts" / "bench.sh").read_text()
        targets = re.search(r"targets=\((.*?)\)", said, re.S)[1].split()
        made = files.Files(pathlib.Path(tempfile.gettempdir()), None, 2, 3)
        made.update(dict.fromkeys(files.MAKERS, "made"))
        for side in SIDES:
            program, *arguments = shlex.split(side.command.format_map(made))
            if program.endswith(".py"):
                self.assertTrue((ROOT / program).is_file(), program)
            else:
                self.assertIn("apps" if program.startswith("onestep-") else program, targets)
            for argument in arguments:
                if argument.startswith("configs/"):
                    self.assertTrue((ROOT / argument).is_file(), argument)

    def test_both_sides_have_the_same_threads(self):
        """Whoever is told of threads in the command is told of those that were asked for; OMP_NUM_THREADS tells the others."""
        made = files.Files(pathlib.Path(tempfile.gettempdir()), None, 7, 3)
        made.update(dict.fromkeys(files.MAKERS, "made"))
        for side in SIDES:
            told = re.findall(r"(?:--threads|workers)[ =](\S+)", side.command.format_map(made))
            self.assertEqual(set(told) - {"7"}, set(), side.command)

    def test_checks_and_files_are_known(self):
        self.assertEqual({need for row in rows.ROWS for need in row.needs} - set(needs.CHECKS), set())
        asked = {name for side in SIDES for name in re.findall(r"(?<!{){(\w+)", side.command)}
        self.assertEqual(asked - set(files.MAKERS) - {"folder", "threads", "inner", "shard"}, set())

    def test_a_shard_is_a_threads_share(self):
        self.assertEqual("{shard[32]} {shard[9]}".format(shard=files.Shards(2)), "16 5")
        self.assertEqual("{shard[32]}".format(shard=files.Shards(1)), "32")

    def test_what_is_chosen(self):
        chosen, left_out = rows.chosen(["edm-cycle"], True)
        self.assertEqual([row.name for row in chosen], ["edm-cycle", "edm-cycle-bf16"])
        self.assertEqual([row.name for row in left_out], ["edm-cycle-compiled"])
        self.assertIn("fid", [row.name for row in rows.chosen(["fid"], True)[0]])  # asked for by its name
        with self.assertRaisesRegex(ValueError, "--only sampling: no row"):
            rows.chosen(["sampling"], False)


class Needs(unittest.TestCase):
    def bench(self, flags=(), out="", code=0):
        ended = types.SimpleNamespace(code=code, out=out, why=lambda: "exit code 1: broken")
        return types.SimpleNamespace(machine={"flags": list(flags)}, program=lambda _: ended)

    def test_bf16_asks_for_the_instructions(self):
        self.assertIsNone(needs.bf16(self.bench(["avx2", "avx512_bf16"])))
        self.assertIsNone(needs.bf16(self.bench(["amx_bf16"])))
        self.assertIn("neither", needs.bf16(self.bench(["avx512f", "bf16ish"])))

    def test_precision_asks_for_the_key(self):
        self.assertIsNone(needs.precision(self.bench(out="run.batch  integer\nrun.precision   float32 | bfloat16\n")))
        self.assertIn("no key run.precision", needs.precision(self.bench(out="run.batch   integer, run.precision to come\n")))
        self.assertIn("broken", needs.precision(self.bench(code=1)))


class Made(unittest.TestCase):
    def test_pictures_are_what_they_say(self):
        picture = files.picture(random.Random(3), 8)
        png = files.png(picture, 8)
        begin = png.index(b"IDAT")
        length = int.from_bytes(png[begin - 4 : begin], "big")
        filtered = zlib.decompress(png[begin + 4 : begin + 4 + length])
        for y, row in enumerate(picture):
            line, told = bytearray(), filtered[25 * y : 25 * y + 25]
            self.assertEqual(told[0], 1)  # the filter Sub: differences to the pixel on the left
            for i, difference in enumerate(told[1:]):
                line.append((difference + (line[i - 3] if i > 2 else 0)) & 255)
            self.assertEqual(bytes(line), row)

    def test_a_file_is_made_once(self):
        commands = []

        def program(command):
            commands.append(command)
            return types.SimpleNamespace(code=0)

        with tempfile.TemporaryDirectory() as folder:
            made = files.Files(pathlib.Path(folder), program, 1, 3)
            self.assertEqual("{edm_teacher} {edm_teacher}".format_map(made).count("model.safetensors"), 2)
            self.assertEqual(len(commands), 1)
            self.assertIn(f"data={{kind: images, path: {folder}/images.zip}}", shlex.split(commands[0]))


if __name__ == "__main__":
    unittest.main()
