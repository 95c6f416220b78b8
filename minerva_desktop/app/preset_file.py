"""`PresetFile`: the presets and snippets of a person, in a JSON file that can be edited by hand.

Used on the main thread. A file that cannot be understood is set aside, never overwritten; that of a
newer Minerva stays where it is.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from minerva_desktop.chat.presets import FORMAT, VERSION, PromptLibrary
from minerva_desktop.errors import InvalidRequest, StoreError, os_reason

MAX_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class NewerPresets(InvalidRequest):
    """The file is of a later version."""


class _Head(msgspec.Struct, frozen=True):
    """What files of all versions have."""

    format: str = FORMAT
    version: int = VERSION


class PresetFile:
    """Loads and saves a `PromptLibrary`; every save replaces the file atomically.

    Attributes:
        current: the presets and snippets that there are.
        problem: why the file could not be understood, in a sentence; None: all is well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_newer = False
        self.problem: str | None = None
        self.current = self._load()

    def save(self, library: PromptLibrary) -> None:
        """Keep ``library``. Raises `StoreError` when the file cannot be written, or is a newer
        app's."""
        if self._is_newer:
            raise StoreError(
                f"{self._path.name} was written by a newer Minerva and is left untouched: update"
                " the app to change presets and snippets"
            )
        write_presets(self._path, library)
        self.current = library

    def add(self, other: PromptLibrary) -> int:
        """Add what another file has; how many presets and snippets were new. Raises
        `InvalidRequest` for what is none, and `StoreError` as `save`."""
        joined = self.current.joined(other)
        n_new = len(joined.presets) + len(joined.snippets)
        n_new -= len(self.current.presets) + len(self.current.snippets)
        if n_new:
            self.save(joined)
        return n_new

    def _load(self) -> PromptLibrary:
        if not self._path.exists():
            return PromptLibrary()
        try:
            # What was added by hand has to hold to the same rules as what the app adds.
            return PromptLibrary().joined(read_presets(self._path))
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
    it is none, `NewerPresets` when it is of a later version."""
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
    return library


def write_presets(path: Path, library: PromptLibrary) -> None:
    """Write ``library`` to a file, whole or not at all. Raises `StoreError`."""
    body = msgspec.json.format(msgspec.json.encode(library), indent=2)
    if len(body) >= MAX_BYTES:  # it could not be read again
        raise StoreError(
            f"{path.name} would have {len(body):,} bytes, and {MAX_BYTES:,} are the most: delete"
            " or shorten some of the presets and snippets"
        )
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path.name} could not be written: {os_reason(error)}") from error
