# SPDX-License-Identifier: Apache-2.0
"""Turns a checkpoint into a OneStep model, or a OneStep model back into a plain state dict. Runs nothing that is in it.

  onestep-convert IN OUT.safetensors      IN: an official EDM pickle (EDM, VP, VE or iDDPM; DDPM++, NCSN++ or ADM), a DiT or
                                          SiT .pt, a DiT of diffusers, or a plain state dict of these (.pt, .pth,
                                          .safetensors); what it is, the file says itself
  onestep-convert MODEL.safetensors OUT.pt   a OneStep model as a state dict that loads into the official class
  onestep-convert IN --list               what IN is, without writing anything

Examples:
  onestep-convert edm-cifar10-32x32-cond-vp.pkl teacher.safetensors
  onestep-convert DiT-XL-2-256x256.pt dit.safetensors
  onestep-convert SiT-B.pt sit.safetensors --weights model
  onestep-convert weights.pth unet.safetensors --network teacher.safetensors
  onestep-convert runs/cifar10/model.safetensors student.pt

Tensors are written as float32. Exit codes: 0 done, 2 usage, 3 a bad file, 130 or 143 stopped.
"""
import argparse
import math
import os
import pathlib
import signal
import sys
import time

from common.bad_input import BadInput, shown
from common.output_file import output_file
from . import network_config
from .edm_pickle import iddpm_levels
from .expected_tensors import check_tensors
from .model import NETWORK, RULES, checked_preconditioning, configuration_of, model_of
from .safetensors_file import parse_json, write_safetensors
from .source import Source
from .torch_writer import write_torch


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value

    parse.__name__ = "positive number"
    return parse


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="onestep-convert", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", type=pathlib.Path)
    parser.add_argument("output", metavar="OUT", type=pathlib.Path, nargs="?")
    parser.add_argument("--list", action="store_true", help="print what IN is and its tensors, and write nothing")
    parser.add_argument("--weights", metavar="KEY", help="which of several weights: ema (the default), model, net …")
    parser.add_argument("--rule", choices=RULES, help="the parametrisation, where the file does not say it")
    parser.add_argument("--sigma-data", type=positive(float), metavar="X", help="of a plain state dict; 0.5, DiT and SiT 1")
    parser.add_argument("--network", type=pathlib.Path, metavar="FILE",
                        help="what a plain state dict is: JSON as in a model's metadata, or a OneStep model to take it from")
    parser.add_argument("--num-heads", type=positive(int), metavar="N", help="of a DiT of no published width")
    parser.add_argument("--input-size", type=positive(int), metavar="N",
                        help="height of the latents of a DiT of diffusers without its config.json")
    options = parser.parse_args(arguments)
    if not options.list:
        if options.output is None:
            parser.error("OUT is missing (or --list)")
        if options.output.suffix not in (".safetensors", ".pt", ".pth"):
            parser.error(f"OUT must end in .safetensors, or in .pt for the way back: {options.output}")
        if options.output.exists() and options.input.exists() and options.output.samefile(options.input):
            parser.error("IN and OUT are the same file")
    return options


class Stopped(BaseException):
    pass


def stop(number, _):
    raise Stopped(number)


def given_configuration(path):
    """Network and preconditioning (or None) of --network FILE."""
    with Source(path) as source:
        if source.data[0] == ord("{"):
            if source.size > 1 << 20:
                raise BadInput("too long for a network's configuration")
            value = parse_json(bytes(source.data), "it")
            if "network" not in value:
                return value, None
            return value["network"], checked_preconditioning(value.get("preconditioning") or {}) or None
        _, _, metadata = source.contents()
    if NETWORK not in metadata:
        raise BadInput("neither JSON nor a OneStep model")
    return configuration_of(metadata)


def check_size(source, tensors):
    wanted = 4 * sum(math.prod(tensor.shape) for tensor in tensors.values())
    if wanted > 4 * source.size + (1 << 20):  # half precision makes 2
        raise BadInput(f"its tensors would be {wanted} bytes, out of a file of {source.size}")


def describe(kind, network, preconditioning, weights, assumed):
    rule = preconditioning.get("rule", "edm")
    said = f"{kind}{f', weights {shown(weights)}' if weights else ''}: {network['kind']}, {rule}"
    values = network | preconditioning | {"rule": rule}
    return said + (f"; assumed: {', '.join(f'{key} {values[key]}' for key in assumed)}" if assumed else "")


def official_state(network, preconditioning, tensors):
    """What state_dict() of the official class holds."""
    if preconditioning.get("space_to_depth"):
        raise BadInput("its network sees 2×2 patches (space_to_depth), which no official class does")
    if network["kind"] == "dit":
        if network["num_classes"] == 0:
            raise BadInput("its network knows no classes, which the official DiT always does")
        return tensors
    named = {f"model.{name}": tensor for name, tensor in tensors.items()}
    return {"u": iddpm_levels()} | named if preconditioning.get("rule") == "iddpm" else named


def read_model(tensors, metadata):
    """A OneStep model: network, preconditioning, tensors under official names."""
    network, preconditioning = configuration_of(metadata)
    network = network_config.complete(network)
    tensors = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    return network, preconditioning, check_tensors(network, tensors)


def convert(source, options):
    """Does what `options` ask for; what it did, in a line or, with --list, several."""
    kind, value, metadata = source.contents()
    back = NETWORK in metadata
    if not options.list and back == (options.output.suffix == ".safetensors"):
        raise BadInput("a OneStep model already; OUT.pt makes a plain state dict of it" if back
                       else "not a OneStep model: OUT must end in .safetensors")
    if back:
        network, preconditioning, tensors = read_model(value, metadata)
        said = describe("OneStep model", network, preconditioning, "", [])
    else:
        given = None
        if options.network:
            try:
                given = given_configuration(options.network)
            except BadInput as error:
                raise BadInput(f"--network {options.network}", error) from None
        model = model_of(value, options.input, options, given)
        network, preconditioning, tensors = model.network, model.preconditioning, model.tensors
        said = describe(kind, network, preconditioning, model.weights, model.assumed)
    check_size(source, tensors)
    count = f"{len(tensors)} tensors, {sum(math.prod(t.shape) for t in tensors.values()):,} numbers"
    if options.list:
        lines = [f"{options.input}: {said}; {count}", f"network: {network_config.written(network)}",
                 f"preconditioning: {preconditioning}"]
        return "\n".join(lines + [f"{name}  {t.dtype} {list(t.shape)}" for name, t in tensors.items()])
    with output_file(options.output) as file:
        if back:
            write_torch(file, official_state(network, preconditioning, tensors), source.forget)
        else:
            source.hash_beside()

            def filled(finished):
                return model.metadata() | {"source": options.input.name,
                                           "source_sha256": source.sha256() if finished else "0" * 64}

            write_safetensors(file, {f"model.{name}": t for name, t in tensors.items()}, filled, source.forget)
    return f"{options.output}: {said}; {count}"


def main(arguments=None):
    options = parse_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    started = time.monotonic()
    try:
        with Source(options.input) as source:
            said = convert(source, options)
        print(said if options.list else f"{said}; {time.monotonic() - started:.1f} s", flush=True)
        return 0
    except BadInput as error:
        print(f"{options.input}: {error}", file=sys.stderr)
    except MemoryError:
        print(f"{options.input}: asks for more memory than there is", file=sys.stderr)
    except BrokenPipeError:  # of --list, into a pager that was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename or options.output or options.input}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Stopped as signalled:
        return 128 + signalled.args[0]
    return 3
