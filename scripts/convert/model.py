# SPDX-License-Identifier: Apache-2.0
"""From what a file holds to a model: which weights, of which network, in which parametrisation."""
import json
import math
import re
from dataclasses import dataclass, field

from common.bad_input import BadInput, listed, shown
from . import dit_shapes, edm_pickle, network_config, unet_shapes
from .expected_tensors import check_tensors
from .safetensors_file import parse_json
from .tensors import Joined, Tensor

NETWORK, PRECONDITIONING = "onestep.network", "onestep.preconditioning"
WEIGHTS = ("ema", "model", "net", "state_dict")  # in this order, unless told
WRAPPERS = ("module.", "_orig_mod.", "model.")   # of distributed data parallel, of torch.compile, of EDM's classes
RULES = ("edm", "trig", "epsilon", "v", "image", "flow", "flow_to_data", "gvp", "vp", "ve", "iddpm")
DISCRETE = ("epsilon", "v", "image")  # rules whose time is a step of a schedule


@dataclass
class Model:
    network: dict
    preconditioning: dict
    tensors: dict  # official names without "model."
    weights: str = ""  # the key that they stand under in the file
    assumed: list = field(default_factory=list)

    def metadata(self):
        return {NETWORK: json.dumps(network_config.written(self.network)),
                PRECONDITIONING: json.dumps(self.preconditioning)}


def is_state_dict(value):
    return isinstance(value, dict) and any(isinstance(item, (Tensor, Joined)) for item in value.values())


def select(value, wanted):
    """The weights to take of what a file holds, and the key that they stand under."""
    if edm_pickle.is_module(value) or (is_state_dict(value) and not wanted):
        return value, ""
    if not isinstance(value, dict):
        raise BadInput(f"holds a {type(value).__name__}, not weights")
    keys = [key for key in ([wanted] if wanted else WEIGHTS) if value.get(key) is not None]
    if not keys:
        raise BadInput(f"has no {wanted or 'ema'}: its keys are {listed(value) or 'none'}; --weights names another one")
    return value[keys[0]], keys[0]


def state_dict(value):
    """Name → tensor, without what wrappers put before every name."""
    if not is_state_dict(value):
        raise BadInput(f"its weights are a {type(value).__name__} without tensors")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, (Tensor, Joined)):
            raise BadInput(f"{shown(name)} is not a tensor")
    while prefix := next((p for p in WRAPPERS if all(n.startswith(p) or n == "u" for n in value)), None):
        value = {name.removeprefix(prefix): tensor for name, tensor in value.items()}
    return value


def model_of(value, path, options, given):
    """The model in `value`, read from `path`. given: the network and preconditioning of --network, where there is one."""
    chosen, key = select(value, options.weights)
    make = persistent_model if edm_pickle.is_module(chosen) else plain_model
    model = make(chosen, path, options, given)
    model.weights = key
    model.network = network_config.complete(model.network)
    model.tensors = check_tensors(model.network, model.tensors)
    return model


def persistent_model(module, path, options, given):
    """A module of EDM, which says itself what it is."""
    if given:
        raise BadInput("says itself what its network is; --network is for plain state dicts")
    name, _ = edm_pickle.class_and_state(module)
    if name in edm_pickle.NETWORKS:  # a network alone
        tensors, network = edm_pickle.state_dict(module), edm_pickle.network_of(module)
        preconditioning, assumed = unet_preconditioning(options, {}, "edm")
        return Model(network, preconditioning, tensors, assumed=assumed)
    preconditioning = edm_pickle.preconditioning_of(module)
    rule = preconditioning.get("rule", "edm")
    if options.rule not in (None, rule):
        raise BadInput(f"its class {name} has the rule {rule}, not {options.rule}")
    tensors = state_dict(edm_pickle.without_levels(edm_pickle.state_dict(module)))
    return Model(edm_pickle.network_of(edm_pickle.child(module, "model")), preconditioning, tensors)


def plain_model(value, path, options, given):
    """A plain state dict: names and shapes say what it is, and --network the rest."""
    tensors = state_dict(value)
    network, preconditioning = given or (None, None)
    if preconditioning and (options.rule or options.sigma_data):
        raise BadInput("--network says its parametrisation, too: leave out --rule and --sigma-data")
    if unet := unet_shapes.infer_unet(tensors):
        default = "iddpm" if "u" in tensors else "edm"
        tensors = edm_pickle.without_levels(tensors)
        preconditioning, assumed = unet_preconditioning(options, preconditioning, default)
        return Model(network or unet[0], preconditioning, tensors, assumed=([] if network else unet[1]) + assumed)
    diffusers = dit_shapes.is_diffusers(tensors)
    if diffusers:
        beside = diffusers_config(path)
        size, heads = options.input_size or beside.get("sample_size"), beside.get("num_attention_heads")
        if type(size) is not int or not 1 <= size <= 1024:
            raise BadInput("nothing says how large its images are (no config.json beside it): give --input-size")
        tensors = dit_shapes.from_diffusers(tensors, size)
    elif not dit_shapes.is_dit(tensors):
        raise BadInput(f"its tensors are of no network of OneStep: {listed(tensors, 3)}")
    else:
        heads = None
    dit = dit_shapes.infer_dit(tensors, options.num_heads or heads) if not network else (network, [])
    preconditioning, assumed = dit_preconditioning(options, preconditioning, path, diffusers)
    return Model(dit[0], preconditioning, tensors, assumed=dit[1] + assumed)


def unet_preconditioning(options, given, default):
    """The parametrisation, which a U-Net's state dict does not hold, and what of it is assumed."""
    if given:
        return given, []
    rule = options.rule or default
    assumed = [] if options.rule or rule == "iddpm" else ["rule"]
    if rule in ("vp", "ve", "iddpm"):
        return {"rule": rule}, assumed
    sigma_data = options.sigma_data or 0.5
    assumed += [] if options.sigma_data else ["sigma_data"]
    said = {"sigma_data": sigma_data} if rule == "edm" else {"rule": rule, "sigma_data": sigma_data}
    return scheduled(said), assumed + (["schedule"] if rule in DISCRETE else [])


def dit_preconditioning(options, given, path, diffusers):
    if given:
        return given, []
    rule = options.rule
    if rule is None:
        named = set(re.findall("[sd]it", path.name.lower())) or ({"dit"} if diffusers else set())
        if len(named) != 1:
            raise BadInput("DiT (which predicts noise) and SiT (a flow) look the same, and its name says neither: "
                           "give --rule epsilon or --rule flow_to_data")
        rule = "epsilon" if named == {"dit"} else "flow_to_data"
    return scheduled({"rule": rule, "sigma_data": options.sigma_data or 1}), []


def scheduled(preconditioning):
    if preconditioning.get("rule") in DISCRETE:
        return preconditioning | {"schedule": "ddpm_linear"}
    return preconditioning


def diffusers_config(path):
    """config.json beside a file of diffusers; an empty dict where there is none."""
    config = path.parent / "config.json"
    if not config.is_file() or config.stat().st_size > 1 << 20:
        return {}
    return parse_json(config.read_bytes(), "config.json beside it")


def configuration_of(metadata):
    """Network and preconditioning of a OneStep model file's metadata."""
    return (parse_json(metadata[NETWORK], NETWORK),
            checked_preconditioning(parse_json(metadata.get(PRECONDITIONING, "{}"), PRECONDITIONING)))


def checked_preconditioning(preconditioning):
    for key, value in preconditioning.items():
        fits = {"rule": lambda: value in RULES, "schedule": lambda: isinstance(value, str),
                "timestep": lambda: isinstance(value, str), "space_to_depth": lambda: type(value) is bool,
                "sigma_data": lambda: type(value) in (int, float) and 0 < value < math.inf}
        if key not in fits or not fits[key]():
            raise BadInput(f"its preconditioning has {shown(key)}: {shown(value)}, which OneStep does not know")
    return preconditioning
