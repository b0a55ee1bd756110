#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills trainings of every kind at random moments and lets them go on until they finish: do they end as if nothing
had happened? Tiny networks on tiny images; standard library only.

  scripts/soak.py [--kills 200] [--seed 0] [--bin build/release/bin] [--keep FOLDER]
  scripts/soak.py --ranks 2                        several processes, of which any is killed
  scripts/soak.py --ranks 2 --torchrun 'PYTHON -m torch.distributed.run'
                                                   the same under torchrun, which starts them anew by itself

Compared with an unbroken run of one process, byte for byte: the model's tensors, the models on the way, the best model's, the sample
sheets, the last checkpoint, and the scores of the log. Lost are the images between the last line of the log before a
kill and the checkpoint that the run goes on from; at most one checkpoint's interval may be. Exit code 1 on any
difference.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

CHECKPOINT, IMAGES, BATCH = 160, 2400, 16
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
RANK_LOST, RANK_STOPPED = 6, 143  # what is left of a run when one of its ranks was killed, or stopped


def write_data(folder: pathlib.Path) -> None:
    """Two classes of 8 x 8 images as idx files: bright upper or bright lower half, with some noise."""
    noise = random.Random(1)
    pixels = bytes(noise.randrange(60) + (180 if (place % 64 // 32) == image % 2 else 0)
                   for image in range(64) for place in range(64))
    (folder / 'images').write_bytes(struct.pack('>IIII', 0x803, 64, 8, 8) + pixels)
    (folder / 'labels').write_bytes(struct.pack('>II', 0x801, 64) + bytes(i % 2 for i in range(64)))


def experiments(folder: pathlib.Path) -> dict[str, str]:
    """Tasks by name, as YAML; the first two make what the others need."""
    net = ('{kind: song_unet, img_resolution: 8, img_channels: 1, label_dim: 2, model_channels: 8, channel_mult: [1, 1],'
           ' num_blocks: 1, attn_resolutions: []}')
    teacher = folder / 'teacher/whole/model.safetensors'
    judge = folder / 'classifier/whole/model.safetensors'
    distil = (f'task: {{kind: distil, teacher: {teacher}, student: {{optimizer: {{learning_rate: {{peak: 1.0e-3}}}}}},'
              ' fake: {kind: network, optimizer: {learning_rate: {peak: 1.0e-3}}}, ')
    scored = (f'evaluation: {{every_images: 480, images: 32, features: {{kind: classifier, model: {judge}}}, reference: '
              f'{{kind: dataset, data: {{kind: idx, classes: 2, images: {folder}/images, labels: {folder}/labels}}}}}}')
    particles = 'student: {generator: {kind: particles, count: 12, target_class: 1}}'
    return {
        'teacher': f'task: {{kind: denoise, network: {net}, optimizer: {{learning_rate: {{peak: 2.0e-3}}}}}}',
        'classifier': 'task: {kind: classify, network: {img_resolution: 8, img_channels: 1, label_dim: 2, channels: '
                      '[8, 8], feature_dim: 6}}',
        'sid, scored': distil + 'divergence: {name: reverse_kl}, loss: {kind: expanded}}\n' + scored,
        'f_distill': distil + 'divergence: {name: jensen_shannon}, discriminator: {}, adversarial: {weight: 1}}',
        'uni_instruct': distil + 'divergence: {name: forward_kl}, loss: {kind: expanded}, discriminator: {}}',
        'regression': distil + 'divergence: {name: reverse_kl}, regression: {pairs: 700, sampler: {solver: euler, '
                               'steps: 3}}}',
        'particles': f'task: {{kind: distil, teacher: {teacher}, divergence: {{name: reverse_kl}}, {particles}, '
                     'fake: {kind: network}}',
    }


class Soak:
    def __init__(self, options: argparse.Namespace, folder: pathlib.Path) -> None:
        self.train, self.folder = os.path.abspath(pathlib.Path(options.bin) / 'onestep-train'), folder
        self.ranks, self.torchrun = options.ranks, shlex.split(options.torchrun)
        self.random = random.Random(options.seed)
        self.kills, self.lost, self.differences = collections.Counter(), [], []
        self.whole_seconds: dict[str, float] = {}

    def command(self, name: str, run: pathlib.Path, yaml: str) -> list[str]:
        config = self.folder / name / 'config.yaml'
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(
                f'run: {{dir: unset, images: {IMAGES}, batch: {BATCH}, threads: 1, tick_images: 48, '
                f'checkpoint_images: {CHECKPOINT}, snapshot_images: 800, model_images: 800}}\n'
                f'data: {{kind: idx, classes: 2, images: {self.folder}/images, labels: {self.folder}/labels}}\n{yaml}\n')
        return [self.train, str(config), f'run.dir={run}']

    def command_of_ranks(self, name: str, run: pathlib.Path, yaml: str) -> list[str]:
        command = self.command(name, run, yaml)
        if self.torchrun:
            return self.torchrun + ['--nproc-per-node', str(self.ranks), '--max-restarts', '1000', '--monitor-interval',
                                    '0.1', '--no-python'] + command
        return command + (['--ranks', str(self.ranks)] if self.ranks > 1 else [])

    def processes(self, run: pathlib.Path) -> list[int]:
        """Those that train in this folder."""
        found = []
        for proc in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                arguments = (proc / 'cmdline').read_bytes().split(b'\0')
            except OSError:
                continue
            if arguments[0].decode() == self.train and f'run.dir={run}'.encode() in arguments:
                found.append(int(proc.name))
        return found

    def kill_one(self, run: pathlib.Path) -> signal.Signals | None:
        """Of the processes of a run; which signal it was."""
        running = self.processes(run)
        if not running:
            return None
        chosen = self.random.choice(SIGNALS)
        try:
            os.kill(self.random.choice(running), chosen)
        except ProcessLookupError:
            return None
        return chosen

    def unbroken(self, name: str, yaml: str) -> None:
        start = time.monotonic()
        said = subprocess.run(self.command(name, self.folder / name / 'whole', yaml), stderr=subprocess.PIPE, text=True)
        if said.returncode != 0:
            sys.exit(f'soak.py: {name}: {said.stderr.strip().splitlines()[-1]}')
        self.whole_seconds[name] = time.monotonic() - start

    def broken(self, name: str, yaml: str, run: pathlib.Path, limit: int) -> None:
        """One run to its end, killed again and again."""
        command = self.command_of_ranks(name, run, yaml)
        while True:
            before = last_image(run)
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors='replace')
            said = threading.Thread(target=lambda: setattr(process, 'said', process.stderr.read()))
            said.start()
            killed = None
            while sum(self.kills.values()) < limit and (killed is None or self.torchrun):
                try:
                    process.wait(self.random.uniform(0.02, 0.6 * self.whole_seconds[name]) + (2 if self.torchrun else 0))
                    break
                except subprocess.TimeoutExpired:
                    killed = self.kill_one(run)
                    if killed and self.torchrun:
                        self.kills[killed.name] += 1
            process.wait()
            said.join()
            while self.processes(run):  # ranks whose parent is gone stop in good order
                time.sleep(0.02)
            resumed = re.search(r'resuming .* at ([\d,]+) images', process.said)
            if before and resumed:
                self.lost.append(before - int(resumed[1].replace(',', '')))
            if process.returncode == 0:
                return
            expected = (-killed, 128 + killed) if killed else ()
            if self.ranks > 1:
                expected += (RANK_LOST, RANK_STOPPED)
            if killed and not self.torchrun and process.returncode in expected:
                self.kills[killed.name] += 1
                continue
            self.differences.append(f'{name}: exit {process.returncode}: {process.said.strip()[-200:]}')
            return

    def compare(self, name: str, run: pathlib.Path) -> None:
        whole = self.folder / name / 'whole'
        for path in sorted(whole.rglob('*')):
            part = path.relative_to(whole)
            if path.suffix not in ('.safetensors', '.png'):
                continue
            other = run / part
            if part.parts[0] == 'checkpoints' and part.stem != f'{IMAGES:012}':
                continue  # which older ones are kept depends on where the run was cut
            if not other.exists() or content(path) != content(other):
                self.differences.append(f'{name}: {part}')
        if scores(whole) != scores(run):
            self.differences.append(f'{name}: scores')
        self.differences += [f'{name}: left behind {p.name}' for p in run.rglob('.*.tmp')]


def content(path: pathlib.Path) -> object:
    """A file's bytes; of tensor files all but the metadata, which names the run's folder."""
    data = path.read_bytes()
    if path.suffix != '.safetensors':
        return data
    length = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop('__metadata__', None)
    return header, data[8 + length:]


def log_of(run: pathlib.Path) -> list[dict]:
    log = run / 'log.jsonl'
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def last_image(run: pathlib.Path) -> int:
    return max((line.get('nimg', 0) for line in log_of(run)), default=0)


def scores(run: pathlib.Path) -> list[tuple]:
    return [(line['nimg'], line['fid']) for line in log_of(run) if 'fid' in line]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--bin', default='build/release/bin')
    parser.add_argument('--ranks', type=int, default=1)
    parser.add_argument('--torchrun', default='', help='the command of torchrun, which then starts the ranks')
    parser.add_argument('--keep', help='work in this folder and leave it there')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(os.path.abspath(options.keep or scratch))
        folder.mkdir(parents=True, exist_ok=True)
        write_data(folder)
        soak, tasks, runs = Soak(options, folder), experiments(folder), 0
        for name, yaml in tasks.items():
            soak.unbroken(name, yaml)
        while sum(soak.kills.values()) < options.kills and not soak.differences:
            for name, yaml in tasks.items():
                run = folder / name / f'run{runs}'
                soak.broken(name, yaml, run, options.kills)
                soak.compare(name, run)
                runs += 1
    kills = ', '.join(f'{count} {name}' for name, count in sorted(soak.kills.items()))
    print(f'runs {runs} of {len(tasks)} kinds, kills {sum(soak.kills.values())} ({kills}), differences '
          f'{len(soak.differences)}, lost images at most {max(soak.lost, default=0)} (a checkpoint every {CHECKPOINT})')
    for difference in soak.differences:
        print('  ' + difference)
    return 1 if soak.differences or max(soak.lost, default=0) > CHECKPOINT else 0


if __name__ == '__main__':
    sys.exit(main())
