"""Ids that tell models apart whose files have one name. Pure functions, any thread."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from minerva_desktop.library.display_text import one_line
from minerva_desktop.library.model_file import ModelFile, model_id_of

GGUF_SUFFIX = ".gguf"


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
