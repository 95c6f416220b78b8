"""The load options that a command uses for a model: what the settings have of it, and what was
given, which wins. Main thread."""

from __future__ import annotations

import argparse
import operator
from pathlib import Path

import msgspec

from minerva_desktop.app.model_actions import load_options, own_options
from minerva_desktop.commands.load_arguments import as_spelled, for_all, for_named, named_as_given
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.paths import AppPaths
from minerva_desktop.settings import Settings

# What the settings may have of a model: what goes together, and what stands alone.
_TOGETHER = frozenset({"flash_attention", "kv_type_k", "kv_type_v"})
_ALONE = frozenset({"n_ctx", "n_gpu_layers", "n_threads"})


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
    """``error`` of a load of the model at ``path`` with ``options``, which says whether the
    settings have a say in it, or else by what name the option was given."""
    if _saved_with(error.param or "", given, options):
        message = f"{path.name}, as the settings have it: {error.message}"
        return InvalidRequest(message, detail=error.detail, param=error.param)
    return named_as_given(error, given)


def _saved_with(param: str, given: argparse.Namespace, options: LoadOptions) -> bool:
    """Whether ``options`` hold what was not given, but saved, and bears on the one of that name."""
    if param.startswith("rope."):
        fields = options.rope.__struct_fields__
        names = [param, *(f"rope.{name}" for name in fields if name != "freq_base")]
    else:
        names = list(_TOGETHER if param in _TOGETHER else _ALONE & {param})
    usual = LoadOptions()
    for name in names:
        read = operator.attrgetter(name)
        if read(options) != read(usual) and as_spelled(given, name) is None:
            return True
    return False


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
