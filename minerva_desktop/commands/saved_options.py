"""The load options that a command uses for a model: what the settings have of it, and what was
given, which wins. Main thread."""

from __future__ import annotations

import argparse
import operator
from collections.abc import Collection
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.app.model_actions import load_options, own_options
from minerva_desktop.commands.load_arguments import as_spelled, for_all, for_named, named_as_given
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.option_words import UNSTRETCHED
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.paths import AppPaths
from minerva_desktop.settings import Settings

# What the settings may have of a model: what bears on an option beside itself, the likeliest first.
_BESIDE = MappingProxyType(
    {
        "flash_attention": ("kv_type_v",),
        "kv_type_k": (),
        "kv_type_v": (),
        "n_ctx": (),
        "n_gpu_layers": (),
        "n_threads": (),
    }
)
_BESIDE_IN_ROPE = (
    *("rope.yarn_beta_slow", "rope.yarn_beta_fast", "rope.yarn_attn_factor"),
    *("rope.yarn_ext_factor", "rope.freq_scale", "rope.scaling", "rope.yarn_orig_ctx"),
)
# How the command line would have what is saved.
_SAVED_AS = MappingProxyType(
    {
        "flash_attention": "--flash-attention",
        "kv_type_k": "--kv-type",
        "kv_type_v": "--kv-type",
        "rope.scaling": "--rope-scaling",
        "rope.freq_scale": "--rope-scale",
        "rope.freq_base": "--rope-freq-base",
        "rope.yarn_orig_ctx": "--yarn-orig-ctx",
        "rope.yarn_ext_factor": "--yarn-ext-factor",
        "rope.yarn_attn_factor": "--yarn-attn-factor",
        "rope.yarn_beta_fast": "--yarn-beta-fast",
        "rope.yarn_beta_slow": "--yarn-beta-slow",
    }
)
# What undoes it, and does not depend on the others.
_UNDONE_BY_AUTO = frozenset({"--flash-attention", "--kv-type"})


def saved_options(settings: Settings, paths: AppPaths, model: Path) -> LoadOptions:
    """What the settings have for ``model``; the states of its chats are not kept."""
    usual = load_options(settings, paths.snapshots)
    own = own_options(settings, usual).get(model, usual)
    return msgspec.structs.replace(own, snapshots=None)


def asked_of(given: argparse.Namespace, saved: LoadOptions, path: Path) -> LoadOptions:
    """``saved``, which the settings have for the model at ``path``, with all that was given. Raises
    `InvalidRequest` as `blamed` has it."""
    options = for_named(given, for_all(given, saved))
    try:
        options.check()
    except InvalidRequest as error:
        raise blamed(error, given, options, path) from error
    return options


def blamed(
    error: InvalidRequest, given: argparse.Namespace, options: LoadOptions, path: Path
) -> InvalidRequest:
    """``error`` of a load of the model at ``path`` with ``options``. It names the option as it was
    given, with what is saved and bears on it, or says that the settings alone have it so."""
    names = _bearing_on(error)
    saved = [name for name in names if _is_saved_alone(name, given, options)]
    if not saved:
        return named_as_given(error, given)
    culprit = next((name for name in names if as_spelled(given, name) is not None), None)
    if culprit is None:
        message = f"{path.name}, as the settings have it: {error.message}"
    else:
        told = _told_as_saved(saved, options)
        message = f"{named_as_given(error, given, culprit).message}; saved for {path.name}: {told}"
    return InvalidRequest(message, detail=error.detail, param=error.param)


def _bearing_on(error: InvalidRequest) -> tuple[str, ...]:
    """The fields that ``error`` may be about, the likeliest first."""
    param = error.param or ""
    if error.message.endswith(UNSTRETCHED):
        return ("rope.freq_scale", param, *_BESIDE_IN_ROPE)
    if param.startswith("rope."):
        return (param, *_BESIDE_IN_ROPE)
    return (param, *_BESIDE[param]) if param in _BESIDE else ()


def _is_saved_alone(name: str, given: argparse.Namespace, options: LoadOptions) -> bool:
    """Whether ``options`` have the field of that name from the settings."""
    read = operator.attrgetter(name)
    return as_spelled(given, name) is None and bool(read(options) != read(LoadOptions()))


def _told_as_saved(names: Collection[str], options: LoadOptions) -> str:
    """As the command line would have it, and what there undoes it."""
    told = {}
    for name in [name for name in _SAVED_AS if name in names]:
        argument, value = _SAVED_AS[name], operator.attrgetter(name)(options)
        if name == "rope.freq_scale":
            value = 1.0 / value
        told[argument] = f"{argument} {f'{value:g}' if isinstance(value, float) else value}"
        if argument in _UNDONE_BY_AUTO:
            told[argument] += f", which {argument} auto undoes"
    return ", ".join(told.values())


def saved_fields(options: LoadOptions, saved: LoadOptions) -> tuple[str, ...]:
    """The fields of ``options`` that are as the settings have them, and not as usual; positions,
    too, where only some of their numbers are."""
    usual = LoadOptions()
    names = [name for name in options.__struct_fields__ if _is_saved(name, options, saved, usual)]
    numbers = options.rope.__struct_fields__
    if any(_is_saved(name, options.rope, saved.rope, usual.rope) for name in numbers):
        names.append("rope")
    return tuple(dict.fromkeys(names))


def _is_saved(field: str, options: object, saved: object, usual: object) -> bool:
    value = getattr(options, field)
    return bool(value == getattr(saved, field) != getattr(usual, field))
