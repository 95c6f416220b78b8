"""The files of a model, which may be split into several: whether they are there, and are files. Any
thread; asks the disk."""

from __future__ import annotations

import re
from pathlib import Path

from minerva_desktop.errors import (
    ModelLoadError,
    ModelNotFound,
    no_file_words,
    os_reason,
    part_missing,
)

_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)
_FIRST = 1


def parts_there(path: Path) -> list[Path]:
    """All parts of the model whose first one is ``path``, as far as something of that name is
    there. A whole model may be named as a part."""
    return [part for part in _parts(path) if part == path or part.exists()]


def _parts(path: Path) -> list[Path]:
    named = _PART.fullmatch(path.name)
    if named is None or int(named[2]) != _FIRST:
        return [path]
    name, count = named[1], int(named[3])
    return [path.with_name(f"{name}-{part:05}-of-{count:05}.gguf") for part in range(1, count + 1)]


def check_file(path: Path, called: str) -> None:
    """Raise `ModelNotFound` or `ModelLoadError`, in a sentence that begins with ``called``, where
    there is no file at ``path``, or none that this process may read. llama.cpp says nothing of it,
    and would wait at a pipe for ever.
    """
    try:
        words = no_file_words(path.stat().st_mode)
        if not words:
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # no file has such a name
        message = f"{called} is not there; it may have been moved or deleted."
        raise ModelNotFound(message, detail=str(path)) from error
    except OSError as error:
        message = f"{called} cannot be read: {os_reason(error)}."
        raise ModelLoadError(message, detail=str(path)) from error
    if words:
        raise ModelLoadError(f"{called} {words}")


def part_trouble(path: Path, detail: str) -> ModelLoadError | None:
    """Why the model at ``path`` was not loaded, where that is a matter of its parts: ``detail`` is
    what llama.cpp said, which names the file."""
    named = _PART.fullmatch(path.name)
    if named is not None and "illegal split file idx" in detail:
        number, count = int(named[2]), int(named[3])
        return ModelLoadError(
            f"“{path.name}” is part {number} of {count} of a model: load the first one",
            detail=detail,
        )
    parts = _parts(path)
    for number, part in enumerate(parts, start=1):
        if part.name in detail and not part.exists():
            return part_missing(number, len(parts), part.name, detail=detail)
    return None
