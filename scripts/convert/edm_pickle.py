# SPDX-License-Identifier: Apache-2.0
"""EDM's networks as they lie in pickles: modules rebuilt "through persistence", of which only the recorded state and
constructor arguments are read; the source text that comes with them is neither needed nor run."""
import math
from array import array

from common.bad_input import BadInput, shown
from common.pickle_machine import Record
from .known_globals import PERSISTENT
from .tensors import Tensor, from_bytes, values

MAX_DEPTH = 32

# Class → rule, and the constants that the rule has built in.
RULES = {
    "EDMPrecond": ("edm", {}),
    "VPPrecond": ("vp", {"beta_d": 19.9, "beta_min": 0.1, "M": 1000, "epsilon_t": 1e-5}),
    "VEPrecond": ("ve", {}),
    "iDDPMPrecond": ("iddpm", {"C_1": 0.001, "C_2": 0.008, "M": 1000}),
}

# Class → kind, its constructor's first parameters in order, and its defaults where ours differ.
COMMON = ("img_resolution", "in_channels", "out_channels", "label_dim", "augment_dim", "model_channels", "channel_mult",
          "channel_mult_emb", "num_blocks", "attn_resolutions", "dropout", "label_dropout")
NETWORKS = {
    "SongUNet": ("song_unet", COMMON + ("embedding_type", "channel_mult_noise", "encoder_type", "decoder_type",
                                        "resample_filter"), {"channel_mult": [1, 2, 2, 2]}),
    "DhariwalUNet": ("dhariwal_unet", COMMON, {}),
}


def is_module(value):
    return isinstance(value, Record) and value.name == PERSISTENT


def class_and_state(module):
    """Of a persistent object, or of one of torch.nn's containers (whose class says nothing)."""
    if is_module(module):
        match module.arguments:
            case ({"class_name": str(name), "state": dict(state)},):
                return name, state
        raise BadInput("an object rebuilt through persistence lacks its class or state")
    if isinstance(module, Record) and isinstance(module.state, dict):
        return module.name, module.state
    raise BadInput(f"a module that is a {type(module).__name__}")


def child(module, name):
    modules = class_and_state(module)[1].get("_modules")
    if not isinstance(modules, dict) or name not in modules:
        raise BadInput(f"its {class_and_state(module)[0]} has no module '{name}'")
    return modules[name]


def state_dict(module, prefix="", depth=0):
    """Name → tensor of parameters and lasting buffers, as PyTorch's state_dict() has them."""
    if depth > MAX_DEPTH:
        raise BadInput(f"modules more than {MAX_DEPTH} deep")
    _, state = class_and_state(module)
    parts = [state.get(part) or {} for part in ("_parameters", "_buffers", "_modules")]
    passing = state.get("_non_persistent_buffers_set") or set()
    if not all(isinstance(part, dict) for part in parts) or not isinstance(passing, set):
        raise BadInput("a module whose parts are no dicts")
    parameters, buffers, modules = parts
    lasting = {name: value for name, value in buffers.items() if name not in passing}
    tensors = {}
    for name, value in (parameters | lasting).items():
        if isinstance(value, Tensor):
            tensors[f"{prefix}{name}"] = value
        elif value is not None:
            raise BadInput(f"{shown(prefix + str(name))} is not a tensor")
    for name, part in modules.items():
        if part is not None:
            tensors |= state_dict(part, f"{prefix}{name}.", depth + 1)
    return tensors


def network_of(module):
    """The configuration of a network, from the arguments that it was constructed with."""
    name, state = class_and_state(module)
    if name not in NETWORKS:
        raise BadInput(f"its network is a {shown(name)}; known are {', '.join(NETWORKS)}")
    kind, parameters, defaults = NETWORKS[name]
    positional, named = state.get("_init_args", ()), state.get("_init_kwargs")
    if not isinstance(positional, (tuple, list)) or not isinstance(named, dict) or len(positional) > len(parameters):
        raise BadInput(f"its {name} does not say how it was constructed")
    arguments = defaults | dict(zip(parameters, positional)) | named
    for key in ("img_resolution", "in_channels"):
        if key not in arguments:
            raise BadInput(f"its {name} was constructed without {key}")
    arguments = {"img_channels" if key == "in_channels" else key: value for key, value in arguments.items()}
    return {"kind": kind} | {key: list(v) if isinstance(v, tuple) else v for key, v in arguments.items()}


def preconditioning_of(module):
    name, state = class_and_state(module)
    if name not in RULES:
        raise BadInput(f"an object of class {shown(name)}; known are {', '.join(RULES)}")
    rule, constants = RULES[name]
    for key, value in constants.items():
        if state.get(key) != value:
            raise BadInput(f"its {name} has {key} {shown(state.get(key))}; the rule {rule} is defined with {value}")
    if rule != "edm":
        return {"rule": rule}
    sigma_data = state.get("sigma_data")
    if type(sigma_data) not in (int, float) or not (0 < sigma_data < math.inf):
        raise BadInput(f"its {name} has sigma_data {shown(sigma_data)}")
    return {"sigma_data": sigma_data}  # edm is the default rule


def iddpm_levels():
    """The buffer `u` of iDDPMPrecond: its noise levels from the cosine schedule, largest first (Nichol & Dhariwal 2021)."""
    steps, floor, offset = 1000, 0.001, 0.008
    alpha = [math.sin(0.5 * math.pi * j / steps / (offset + 1)) ** 2 for j in range(steps + 1)]
    levels = [0.0] * (steps + 1)
    for j in range(steps, 0, -1):
        levels[j - 1] = math.sqrt((levels[j] ** 2 + 1) / max(alpha[j - 1] / alpha[j], floor) - 1)
    return from_bytes("f32", [steps + 1], array("f", levels).tobytes())


def without_levels(tensors):
    """Leaves out `u`, which the rule computes, when it is what the rule computes."""
    if "u" not in tensors:
        return tensors
    ours = values(iddpm_levels())
    if tensors["u"].shape != (len(ours),) or tensors["u"].dtype != "f32":
        raise BadInput("its noise levels u are not iDDPM's 1001")
    for theirs, level in zip(values(tensors["u"]), ours):
        if not abs(theirs - level) <= 1e-3 * level + 1e-4:
            raise BadInput(f"its noise levels u are not iDDPM's: {theirs} for {level}")
    return {name: tensor for name, tensor in tensors.items() if name != "u"}
