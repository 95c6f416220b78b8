"""The JSON file that `catalog` keeps the added models in. Used by it alone, under its lock."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from minerva_desktop.errors import StoreError, os_reason
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.paths import path_of, path_text, private_opener

logger = logging.getLogger(__name__)


FORMAT = 1  # counts up when an older app would misunderstand or lose what a newer one writes


class _Head(msgspec.Struct, frozen=True):
    """What files of all formats have."""

    format: int = FORMAT


class CatalogContent(msgspec.Struct, frozen=True):
    """The models that were added, and the other names of the embedded one."""

    models: list[ModelFile] = []
    embedded_aliases: tuple[str, ...] = ()
    format: int = FORMAT


class CatalogFile:
    """Reads and replaces one file. All methods block.

    Attributes:
        problem: why the list could not be read, or will not be written, as a sentence for the
            person; else None.
    """

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self._path = path
        self._newer: int | None = None  # the format of the file, where it is a later one
        self._seen: tuple[int, int, int] | None = None

    def read_if_changed(self) -> CatalogContent | None:
        """What is in the file, or None when it is as it was at the last call or write.

        A file that cannot be read is set aside under another name, not overwritten and not fatal:
        the list is empty then and `problem` says so. That of a newer Minerva is left untouched.
        """
        seen = self._state()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            content = self._path.read_bytes()
            if self._is_newer(content):
                return _understood(content)
            return msgspec.json.decode(content, type=CatalogContent, dec_hook=_decode_path)
        except FileNotFoundError:
            self._newer = None
            return CatalogContent()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._set_aside(error)
            return CatalogContent()

    def write(self, value: CatalogContent) -> None:
        """Replace the file's content, all or nothing. Raises `StoreError`, also where it is a newer
        app's."""
        if self._newer is not None:
            raise StoreError(
                "The list of models was written by a newer Minerva and is left untouched: update"
                " the app to keep changes of it."
            )
        content = msgspec.json.encode(value, enc_hook=_encode_path)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(draft, "wb", opener=private_opener) as stream:
                stream.write(msgspec.json.format(content))
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._path)
        except OSError as error:
            _remove_draft(draft)
            raise StoreError(
                f"The list of models could not be saved: {os_reason(error)}.",
                detail=str(self._path),
            ) from error
        self._seen = self._state()

    def _is_newer(self, content: bytes) -> bool:
        found = msgspec.json.decode(content, type=_Head).format
        self._newer = found if found > FORMAT else None
        if self._newer is not None:
            self.problem = (
                f"The list of your models was written by a newer Minerva (format {found}, this one"
                f" knows up to {FORMAT}). It is left untouched, and changes of it hold until the"
                " app is closed: update the app."
            )
            logger.warning("%s", self.problem)
        return self._newer is not None

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _set_aside(self, error: Exception) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        self.problem = (
            "The list of your models could not be read and starts empty; the models themselves "
            f"are untouched. The old list is kept as {aside.name}."
        )
        logger.warning("%s is unreadable, set aside as %s: %s", self._path, aside.name, error)
        try:
            self._path.replace(aside)
        except OSError as failure:
            logger.warning("%s could not be set aside: %s", self._path, failure)


def _understood(content: bytes) -> CatalogContent:
    """What can be understood of a file of a later format: all of it, or nothing."""
    try:
        return msgspec.json.decode(content, type=CatalogContent, dec_hook=_decode_path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return CatalogContent()


def _remove_draft(draft: Path) -> None:
    try:
        draft.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s is left behind: %s", draft, error)


def _encode_path(value: object) -> str:
    if not isinstance(value, Path):
        raise NotImplementedError(f"{type(value).__name__} is no part of a model file")
    return path_text(value)


def _decode_path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise ValueError("expected the text of a path")
    return path_of(value)
