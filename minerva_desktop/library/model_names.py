"""The names of models: ids that tell those apart whose files have one name, and finding the one
that is meant. Pure functions, any thread."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from minerva_desktop.errors import ModelNotFound
from minerva_desktop.library.display_text import MAX_LENGTH, one_line
from minerva_desktop.library.model_file import ModelFile, model_id_of

GGUF_SUFFIX = ".gguf"
MAX_NAMES_IN_SENTENCE = 10
MAX_NEAR_NAMES = 3
MAX_SHOWN_ALIAS = 40  # characters of one that is refused
MIN_PART_OF_NAME = 3  # characters of a part that may stand for a whole name


def told_apart(models: Sequence[ModelFile]) -> list[ModelFile]:
    """``models``, each with an id that no other has. Of several with one name the first keeps it,
    so that no client's model changes when another file is added; the others are called by their
    whole file name (``good.txt``), or by the folders that they are in (``old/good``)."""
    ids: set[str] = set()
    files = [model.file_name for model in models]
    found = []
    for model in models:
        plain = model_id_of(model.path)
        model_id = plain
        if plain in ids:
            has_own_file_name = files.count(model.file_name) == 1
            others = ids | {model_id_of(other.path) for other in models}
            names = _longer_names(model.path, has_own_file_name=has_own_file_name)
            model_id = next(name for name in names if name not in others)
        ids.add(model_id)
        found.append(msgspec.structs.replace(model, own_id=model_id if model_id != plain else ""))
    return found


def _longer_names(path: Path, *, has_own_file_name: bool) -> Iterator[str]:
    if has_own_file_name:
        yield one_line(path.name)
    name = model_id_of(path)
    for folder in path.parents:
        if folder.name:
            name = f"{one_line(folder.name)}/{name}"
            yield name
    # Names that are cut, or that hold bytes which cannot be shown, may still be the same.
    for number in itertools.count(2):
        yield f"{model_id_of(path)}-{number}"


def named(wanted: str, models: Sequence[ModelFile]) -> ModelFile:
    """The one of ``models`` whose id, alias, file name or path is ``wanted``, in that order; of
    several with one file name the first. Else the only one of that name but for capitals, or
    whose name without the quantisation it is. Raises `ModelNotFound`, with what there is."""
    for model in models:
        if wanted == model.model_id:
            return model
    for model in models:
        if wanted in model.aliases:
            return model
    found = [model for model in models if wanted in {model.file_name, str(model.path)}]
    if found:
        return min(found, key=lambda model: bool(model.own_id))
    typed = wanted.casefold()
    any_case = [model for model in models if typed in map(str.casefold, all_names(model))]
    unquantised = [model for model in models if typed == model.name.casefold()]
    for found in (any_case, unquantised):
        if len(found) == 1:
            return found[0]
    raise not_found(wanted, models)


def alias_fault(alias: str) -> str:
    """What is wrong with another name for a model, in a sentence; empty: nothing is."""
    shown = f"“{one_line(alias, MAX_SHOWN_ALIAS)}” cannot be an alias: it"
    if not alias.strip():
        return "An alias cannot be empty: it needs at least one character that can be seen."
    if len(alias) > MAX_LENGTH:
        return f"{shown} has {len(alias):,} characters, and {MAX_LENGTH} are allowed."
    if alias.splitlines() != [alias]:
        return f"{shown} has a line break."
    if not alias.isprintable():
        return f"{shown} has characters that cannot be shown, such as control characters."
    if one_line(alias) != alias:
        return f"{shown} has spaces at an end, or several in a row."
    return ""


def all_names(model: ModelFile) -> set[str]:
    """Those by which it is found, but for its path."""
    return {model.model_id, model.file_name, *model.aliases}


def _near_names(wanted: str, models: Sequence[ModelFile]) -> list[str]:
    """Up to three names that are spelled like ``wanted``, the nearest first."""
    names = {name.casefold(): name for model in models for name in (model.model_id, *model.aliases)}
    typed = wanted[:MAX_LENGTH].casefold().removesuffix(GGUF_SUFFIX)
    near = difflib.get_close_matches(typed, names, n=MAX_NEAR_NAMES, cutoff=0.6)
    parts = [name for name in names if len(typed) >= MIN_PART_OF_NAME and typed in name]
    return [names[name] for name in dict.fromkeys([*near, *parts])][:MAX_NEAR_NAMES]


def not_found(wanted: str, models: Sequence[ModelFile]) -> ModelNotFound:
    """Says which names are like ``wanted``, and which others there are."""
    sentence = f"There is no model “{one_line(wanted)}”."
    near = _near_names(wanted, models)
    if near:
        sentence += f" Did you mean {' or '.join(near)}?"
    others = [model.model_id for model in models if model.model_id not in near]
    if others:
        names = others[:MAX_NAMES_IN_SENTENCE]
        more = len(others) - len(names)
        listed = ", ".join(names) + (f" and {more} more." if more else ".")
        sentence += f" There are{' also' if near else ''}: {listed}"
    return ModelNotFound(sentence, param="model")
