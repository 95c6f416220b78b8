"""The keys that HTTP clients show: how they are made, and the file that remembers them.

Used by `minerva serve`, `minerva keys`, the window's settings and the endpoint's guard; any
thread, `KeyFile` blocks on the disk. The file holds a digest of each key and never the key, which
is shown once, when it is made: so it needs no keyring. SHA-256 without salt or repetition is
enough, because a key has 256 random bits: there is nothing to guess.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from minerva_desktop.digests import is_same, sha256
from minerva_desktop.errors import InvalidRequest, StoreError, os_reason

PREFIX = "mk-"
RANDOM_BYTES = 32
MAX_NAME = 64
MAX_KEYS = 1000
FORMAT = 1
WATCH_SECONDS = 2.0  # until a change of the file is seen
_STALE_SECONDS = 10.0  # a change takes milliseconds: who takes longer has crashed
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key as far as the endpoint has to know it: ``digest`` is its SHA-256."""

    name: str
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, key: str) -> NamedKey:
        """Raises `InvalidRequest` for a ``key`` that cannot travel in an HTTP header."""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise InvalidRequest(
                "The API key must be printable ASCII characters without spaces", param="api_key"
            )
        return cls(name, digest(key))


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the file tells of a key. ``sha256`` in hex, ``ends_with`` its last four characters,
    ``created`` Unix time in seconds."""

    name: str
    sha256: str
    ends_with: str
    created: int


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    keys: tuple[StoredKey, ...] = ()


def digest(key: str) -> bytes:
    """What is compared in place of ``key``."""
    return sha256(key.encode())


def matching_name(keys: Iterable[NamedKey], presented: str) -> str | None:
    """The name of the key that ``presented`` is, or None.

    Takes the same time whether and which one it is: digests are compared in constant time, and
    with all keys.
    """
    shown = digest(presented)
    found = None
    for key in keys:
        if is_same(key.digest, shown):
            found = key.name
    return found


class KeyFile:
    """The keys of one person, in a JSON file that only they can read.

    ``problem`` is a sentence for the person when the file had been readable by others; it no
    longer is then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem: str | None = None

    def stored_keys(self) -> tuple[StoredKey, ...]:
        """All of them, the oldest first. Raises `StoreError` when the file cannot be read: to go
        on without would leave a door open that was meant to be locked."""
        try:
            with self._path.open("rb") as file:
                self._repair_permissions(file)
                content = msgspec.json.decode(file.read(), type=_Content)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(os_reason(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unreadable("the file is damaged") from error
        if content.format != FORMAT:
            raise StoreError(
                f"The API keys in {self._path} were written by a newer Minerva (format"
                f" {content.format}, this one knows {FORMAT}). They are untouched: update the app"
            )
        return content.keys

    def stamp(self) -> tuple[int, int, int] | None:
        """Differs once the file was changed; None where there is none. Raises `OSError`."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def named_keys(self) -> tuple[NamedKey, ...]:
        """The same for the endpoint. Raises `StoreError`."""
        try:
            return tuple(
                NamedKey(key.name, bytes.fromhex(key.sha256)) for key in self.stored_keys()
            )
        except ValueError as error:
            raise self._unreadable("the file is damaged") from error

    def _unreadable(self, why: str) -> StoreError:
        return StoreError(f"The API keys in {self._path} cannot be read: {why}")

    def create(self, name: str) -> tuple[StoredKey, str]:
        """Make a key; what is stored, and the key itself, which nobody can tell later.

        Raises `InvalidRequest` for a name that is taken or no name, and `StoreError`.
        """
        name = name.strip()
        if not name.isprintable() or not 1 <= len(name) <= MAX_NAME:
            raise InvalidRequest(
                f"The name of an API key has 1 to {MAX_NAME} printable characters", param="name"
            )
        key = PREFIX + _random_text()
        made = StoredKey(
            name=name, sha256=digest(key).hex(), ends_with=key[-4:], created=int(time.time())
        )
        with self._changing() as draft:
            keys = self.stored_keys()
            if any(known.name == name for known in keys):
                raise InvalidRequest(f"There is an API key “{name}” already", param="name")
            if len(keys) >= MAX_KEYS:
                raise InvalidRequest(f"There are {MAX_KEYS:,} API keys already")
            self._write(draft, (*keys, made))
        return made, key

    def revoke(self, name: str) -> None:
        """Forget a key. Raises `InvalidRequest` when there is none of that name, `StoreError`."""
        with self._changing() as draft:
            keys = self.stored_keys()
            left = tuple(key for key in keys if key.name != name)
            if left == keys:
                raise InvalidRequest(f"There is no API key “{name}”", param="name")
            self._write(draft, left)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[BinaryIO]:
        """A file that becomes the new one if the block wrote it, readable by this user only from
        its first moment. Its existence keeps other processes from changing keys meanwhile."""
        draft = self._path.with_name(self._path.name + ".new")
        try:
            self._remove_stale(draft)
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise StoreError("The API keys are being changed by another program") from error
        except OSError as error:
            raise StoreError(f"The API keys cannot be saved: {os_reason(error)}") from error
        try:
            with os.fdopen(number, "wb") as file:
                yield file
            draft.replace(self._path)
        except BaseException as error:
            # Only here: once it is in place, a draft of that name is somebody else's.
            draft.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise StoreError(f"The API keys cannot be saved: {os_reason(error)}") from error
            raise

    @staticmethod
    def _write(draft: BinaryIO, keys: tuple[StoredKey, ...]) -> None:
        body = msgspec.json.format(msgspec.json.encode(_Content(keys=keys)), indent=2)
        draft.write(body + b"\n")
        draft.flush()
        os.fsync(draft.fileno())

    @staticmethod
    def _remove_stale(draft: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
                draft.unlink()

    def _repair_permissions(self, file: BinaryIO) -> None:
        # Windows has none of these bits; there the profile's access list keeps others out.
        if os.name != "posix":
            return
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & _OTHERS:
            os.fchmod(file.fileno(), mode & ~_OTHERS)
            self.problem = (
                f"Other users could open {self._path}; that is repaired. It holds no keys, but"
                " whoever could change it may have added one: look through the list."
            )
            _log.warning("%s", self.problem)


class KeyWatch:
    """The keys that open an endpoint: ``extra`` ones and those of a file, as these change."""

    def __init__(self, file: KeyFile | None, extra: tuple[NamedKey, ...] = ()) -> None:
        self._file = file
        self._extra = extra
        self._stamp: tuple[int, int, int] | None = None

    def read(self) -> tuple[NamedKey, ...]:
        """All of them now. Raises `StoreError`."""
        if self._file is None:
            return self._extra
        stamp = self._stamp
        # Before the keys: a change in between is then seen as one.
        with contextlib.suppress(OSError):
            stamp = self._file.stamp()
        keys = self._file.named_keys()
        self._stamp = stamp  # only of what was read: what was not is tried again
        return (*self._extra, *keys)

    async def watch(self, use: Callable[[tuple[NamedKey, ...]], None]) -> None:
        """Call ``use`` with them after each change of the file, until cancelled. While a changed
        file cannot be read, those that opened go on to, and each look tries again."""
        told = ""
        while self._file is not None:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if await asyncio.to_thread(self._file.stamp) != self._stamp:
                    use(await asyncio.to_thread(self.read))
                told = ""
            except (OSError, StoreError) as error:
                if str(error) != told:  # not every two seconds
                    told = str(error)
                    _log.warning("The API keys cannot be read anew: %s", error)


def _random_text() -> str:
    """`RANDOM_BYTES` of the system's, as `secrets` has them, which would import `hmac`."""
    return base64.urlsafe_b64encode(os.urandom(RANDOM_BYTES)).rstrip(b"=").decode()
