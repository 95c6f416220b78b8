"""`PresetFile`: the presets and snippets of a person, in a JSON file that can be edited by hand.

Used on the main thread; the file is written on others. A file that cannot be understood is set
aside, never overwritten; that of a newer Minerva stays where it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from minerva_desktop.chat.presets import FORMAT, VERSION, PromptLibrary
from minerva_desktop.errors import InvalidRequest, StoreError, os_reason
from minerva_desktop.paths import private_opener

MAX_BYTES = 16 * 1024 * 1024
MAX_CHARACTER_BYTES = 6  # of one character, as JSON writes it
MAX_VALUES_BYTES = 4096  # of all else that there is to a preset, on average

_log = logging.getLogger(__name__)


class NewerPresets(InvalidRequest):
    """The file is of a later version."""


class _Head(msgspec.Struct, frozen=True):
    """What files of all versions have."""

    format: str = FORMAT
    version: int = VERSION


class PresetFile:
    """Loads and keeps a `PromptLibrary`; every write replaces the file atomically.

    Attributes:
        current: the presets and snippets that there are, on disk or on their way there.
        problem: why the file could not be understood, in a sentence; None: all is well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_newer = False
        self.problem: str | None = None
        self.current = self._on_disk = self._load()
        self._writing = asyncio.Lock()

    def keep(self, library: PromptLibrary) -> None:
        """Have ``library`` from now on; `written` is to follow. Raises `StoreError` when the file
        is a newer app's, or would be too large to be read again."""
        if self._is_newer:
            raise StoreError(
                f"{self._path.name} was written by a newer Minerva and is left untouched: update"
                " the app to change presets and snippets"
            )
        if _may_be_too_large(library):  # else nobody has to make all of it to know that it is not
            _ = _content(self._path, library)
        self.current = library

    async def written(self) -> None:
        """Return once the file has what there is by then. Raises `StoreError` when it cannot be
        written: what was kept holds all the same, and is written with the next change."""
        async with self._writing:
            while self._on_disk is not self.current:
                library = self.current
                try:
                    await asyncio.to_thread(
                        write_presets, self._path, library, opener=private_opener
                    )
                except StoreError as error:
                    raise StoreError(
                        f"{error.message}. What you changed holds until Minerva is closed, and is"
                        " written with your next change"
                    ) from error
                self._on_disk = library

    def add(self, other: PromptLibrary) -> int:
        """Add what another file has, as `keep` does; how many presets and snippets were new. Raises
        `InvalidRequest` for what is none, and `StoreError` as `keep`."""
        joined = self.current.joined(other)
        n_new = len(joined.presets) + len(joined.snippets)
        n_new -= len(self.current.presets) + len(self.current.snippets)
        if n_new:
            self.keep(joined)
        return n_new

    def _load(self) -> PromptLibrary:
        if not self._path.exists():
            return PromptLibrary()
        try:
            return read_presets(self._path)
        except NewerPresets as error:
            self._is_newer = True
            self.problem = f"{error.message}. It is left untouched."
            _log.warning("%s", self.problem)
            return PromptLibrary()
        except (StoreError, InvalidRequest) as error:
            aside = self._path.with_name(self._path.name + ".unreadable")
            where = f"It is kept as {aside.name}."
            try:
                self._path.replace(aside)
            except OSError as failure:
                where = f"It could not be kept aside: {os_reason(failure)}."
            self.problem = f"{error.message}. {where}"
            _log.warning("%s", self.problem)
            return PromptLibrary()


def read_presets(path: Path) -> PromptLibrary:
    """What a file of presets has. Raises `StoreError` when it cannot be read, `InvalidRequest` when
    it is none, or something in it is not allowed, `NewerPresets` when it is of a later version."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidRequest(
                f"{path.name} is no file of presets: it is larger than {MAX_BYTES:,} bytes"
            )
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path.name} could not be read: {os_reason(error)}") from error
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format == FORMAT and head.version > VERSION:  # whatever else is in there
            raise NewerPresets(
                f"{path.name} was written by a newer Minerva (format {head.version}, this one knows"
                f" {VERSION}): update the app to read it"
            )
        library = msgspec.json.decode(content, type=PromptLibrary)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"{path.name} is no file of presets: {error}") from error
    if library.format != FORMAT:
        raise InvalidRequest(f"{path.name} is no file of presets: its format is not “{FORMAT}”")
    try:
        # What was added by hand has to hold to the same rules as what the app adds.
        return PromptLibrary().joined(library)
    except InvalidRequest as error:
        raise InvalidRequest(f"{path.name}, {error.message}") from error


def write_presets(
    path: Path, library: PromptLibrary, opener: Callable[[str, int], int] | None = None
) -> None:
    """Write ``library`` to a file, whole or not at all; ``opener`` as `open` takes one. Raises
    `StoreError`."""
    body = _content(path, library)
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "wb", opener=opener) as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path.name} could not be written: {os_reason(error)}") from error


def _content(path: Path, library: PromptLibrary) -> bytes:
    """What the file at ``path`` is to hold. Raises `StoreError` where it could not be read
    again."""
    body = msgspec.json.format(msgspec.json.encode(library), indent=2)
    if len(body) >= MAX_BYTES:
        raise StoreError(
            f"{path.name} would have {len(body):,} bytes, and {MAX_BYTES:,} are the most: delete"
            " or shorten some of the presets and snippets"
        )
    return body


def _may_be_too_large(library: PromptLibrary) -> bool:
    texts = [each.system_prompt or "" for each in library.presets]
    texts += [each.text for each in library.snippets]
    n_bytes = MAX_CHARACTER_BYTES * sum(map(len, texts)) + MAX_VALUES_BYTES * len(texts)
    return n_bytes >= MAX_BYTES
