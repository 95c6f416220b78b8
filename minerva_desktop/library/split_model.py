"""Models in several files: from one of the files to all of them, checked as llama.cpp checks them.

Called by `model_file`, on any thread but the window's (it reads files). Each file is a GGUF of its
own. The first holds the metadata, each holds some of the tensors, and each knows its number and
how many there are. llama.cpp is given the first and finds the others by their names,
``name-00002-of-00003.gguf``, in the same folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from minerva_desktop.errors import ModelLoadError, ModelNotFound, part_missing
from minerva_desktop.library.display_text import one_line, shown_name
from minerva_desktop.library.gguf import GgufHeader, read_header, regular_file_status

_FIRST_PART_SUFFIX = re.compile(r"-00001-of-\d{5}$")


class FileState(msgspec.Struct, frozen=True):
    """What tells that a file was replaced: ``size`` in bytes, ``modified_ns`` in nanoseconds."""

    size: int
    modified_ns: int


class WholeModel(msgspec.Struct, frozen=True):
    """A model with all its files.

    ``path`` is the first one's, or the only one's. ``header`` is its header, but with the tensors
    of all files, whose offsets count within the file that each is in. ``states`` are the files',
    in order, as they were before they were read, and ``inodes`` tell one file from another that
    took its name.
    """

    path: Path
    header: GgufHeader
    states: tuple[FileState, ...]
    inodes: tuple[int, ...]


def read_whole_model(path: Path) -> WholeModel:
    """Read the headers of the model that the file at ``path`` (absolute) is, or is a part of.

    Blocks for some milliseconds a file. Raises as `read_header` does, and `ModelLoadError` when
    other parts are not there, are not parts of this model, or cannot be found by their names.
    """
    state, inode, header = _read(path)
    count = header.count("split.count")
    if count < 2:
        return WholeModel(path, header, (state,), (inode,))
    paths = _part_paths(path, header.count("split.no") + 1, count)
    parts = [_read_part(each, number, count) for number, each in enumerate(paths, start=1)]
    states, inodes, headers = zip(*parts, strict=True)
    return WholeModel(paths[0], _joined(headers, paths[0]), states, inodes)


def file_states(path: Path, count: int) -> tuple[FileState, ...]:
    """The states of the ``count`` files of the model whose first is at ``path``, as they are now.

    Raises `OSError` or `ValueError` when the system cannot tell, and `ModelLoadError` when
    ``path`` is not named like a first part.
    """
    return tuple(FileState(s.st_size, s.st_mtime_ns) for s in _stats(path, count))


def file_inodes(path: Path, count: int) -> tuple[int, ...]:
    """As `file_states`, but which files those are."""
    return tuple(status.st_ino for status in _stats(path, count))


def without_part_number(stem: str) -> str:
    """The name of a model by its first file's: ``name`` for ``name-00001-of-00003``."""
    return _FIRST_PART_SUFFIX.sub("", stem) or stem


def _stats(path: Path, count: int) -> list[os.stat_result]:
    paths = _part_paths(path, 1, count) if count > 1 else [path]
    return [each.stat() for each in paths]


def _read(path: Path) -> tuple[FileState, int, GgufHeader]:
    # Before the header: a file that is replaced in between is then noticed at the next check.
    status = regular_file_status(path)
    return FileState(status.st_size, status.st_mtime_ns), status.st_ino, read_header(path)


def _read_part(path: Path, number: int, count: int) -> tuple[FileState, int, GgufHeader]:
    try:
        state, inode, header = _read(path)
    except ModelNotFound as error:
        raise part_missing(number, count, one_line(path.name), detail=error.detail) from error
    is_number, is_count = header.count("split.no") + 1, header.count("split.count")
    if (is_number, is_count) == (number, count):
        return state, inode, header
    is_what = f"part {is_number} of {is_count}" if is_count > 1 else "a model in one file"
    raise ModelLoadError(
        f"{shown_name(path)} should be part {number} of {count}, but says that it is {is_what}."
    )


def _joined(headers: Sequence[GgufHeader], path: Path) -> GgufHeader:
    first = headers[0]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    expected, n_distinct = first.count("split.tensors.count"), len({each.name for each in tensors})
    if len(tensors) == n_distinct == expected:
        return msgspec.structs.replace(first, tensors=tensors)
    n_twice = len(tensors) - n_distinct
    what = f"{n_twice:,} tensors twice" if n_twice else f"{n_distinct:,} of {expected:,} tensors"
    raise ModelLoadError(
        f"The {len(headers)} parts of {shown_name(path)} do not belong together: they hold {what}. "
        "Download them again."
    )


def _part_paths(path: Path, number: int, count: int) -> list[Path]:
    """Where the ``count`` parts of a model are of which the one at ``path`` is number ``number``.

    Named as llama.cpp's ``llama_split_path`` has it. Raises `ModelLoadError` when ``path`` is not.
    """
    suffix = f"-{number:05}-of-{count:05}.gguf"
    prefix = path.name.removesuffix(suffix)
    if prefix in {path.name, ""}:
        raise ModelLoadError(
            f"{shown_name(path)} is part {number} of {count} of a model. The parts are found by "
            f"their names, so its name must end with {suffix}"
        )
    return [
        path.with_name(f"{prefix}-{each:05}-of-{count:05}.gguf") for each in range(1, count + 1)
    ]
