"""What importers of chats share: their results, JSON read piece by piece, ids. Values, no I/O."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from minerva_desktop.chat.conversation import Conversation, Folder
from minerva_desktop.errors import ChatFileError

Parsed = TypeVar("Parsed")

MAX_MESSAGES = 200_000  # of one chat
MAX_SECONDS = 253_402_300_799.0  # the year 9999

# An attachment's bytes by the id that the chats have for it; None where the export lacks it.
FindAsset = Callable[[str], bytes | None]

_NAMESPACE = uuid.UUID("5b0f3a86-6f0d-4a1e-9a35-0f7c0d3f9b52")  # of ids made from others' ids
# Escapes of surrogates, behind an even number of backslashes.
_UNITS = re.compile(rb"((?<!\\)(?:\\\\)*)((?:\\u[dD][89a-fA-F][0-9a-fA-F]{2})+)")
_HIGH_AND_LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_PAIR_OR_HALF = re.compile(rb"(" + _HIGH_AND_LOW + rb")|\\u[0-9a-fA-F]{4}")


class ImportedChat(msgspec.Struct, frozen=True):
    """A chat whose ids are the same at each import. ``folder``: that it was in; ``blobs``: its
    images by their SHA-256; ``n_missing`` attachments are not in the export, or neither text nor
    image."""

    conversation: Conversation
    folder: Folder | None = None
    blobs: Mapping[str, bytes] = {}
    n_missing: int = 0


class UnreadableChat(msgspec.Struct, frozen=True):
    """A chat that could not be read: ``name`` says which, ``reason`` what is wrong with it.
    ``is_empty``: that is no more than that nothing was said in it."""

    name: str
    reason: str
    is_empty: bool = False


class EmptyChat(ChatFileError):
    """Nothing was said in a chat, so there is nothing to keep."""


Outcome = ImportedChat | UnreadableChat


def outcomes(
    records: Sequence[msgspec.Raw], read: Callable[[msgspec.Raw], ImportedChat]
) -> Iterator[Outcome]:
    """Each record by ``read``; what that raises costs the one chat."""
    for number, record in enumerate(records, 1):
        try:
            yield read(record)
        except (ChatFileError, ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            title = text_of(members(record).get("title") if len(record) else None)
            name = f"chat {number}" + (f" “{title}”" if title else "")
            reason = getattr(error, "message", "") or str(error)
            yield UnreadableChat(name, reason, is_empty=isinstance(error, EmptyChat))


def decoded(data: bytes | msgspec.Raw, kind: type[Parsed]) -> Parsed:
    """JSON as ``kind``, with numbers in texts taken as numbers.

    Half a surrogate pair, which JavaScript and Python write as an escape and which UTF-8 cannot
    hold, becomes U+FFFD. Raises `msgspec.DecodeError` and `RecursionError`.
    """
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _UNITS.sub(lambda match: match[1] + _pairs_only(match[2]), bytes(data))
        return msgspec.json.decode(mended, type=kind, strict=False)


def document(data: bytes) -> dict[str, msgspec.Raw] | list[msgspec.Raw]:
    """A JSON object or list, its members unread. Raises `ChatFileError` with where a fault is."""
    try:
        return decoded(data, dict[str, msgspec.Raw] | list[msgspec.Raw])  # type: ignore[arg-type]
    except RecursionError:
        raise ChatFileError("it is nested too deep for a file of chats") from None
    except msgspec.ValidationError:
        raise ChatFileError("it is JSON, but neither an object nor a list") from None
    except msgspec.DecodeError as error:
        raise ChatFileError(f"it is no JSON, or only a part of it: {error}") from None


def members(record: msgspec.Raw) -> dict[str, Any]:
    """The members of an object, those that are objects or lists unread; none of anything else."""
    try:
        return {key: _shallow(raw) for key, raw in decoded(record, dict[str, msgspec.Raw]).items()}
    except (msgspec.DecodeError, RecursionError):
        return {}


def elements(record: msgspec.Raw | None) -> list[msgspec.Raw]:
    """The elements of a list, unread; none of anything else."""
    try:
        return [] if record is None else decoded(record, list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return []


def _shallow(raw: msgspec.Raw) -> Any:
    is_container = memoryview(raw)[:1].tobytes() in {b"{", b"["}
    return raw if is_container else decoded(raw, object)


def object_of(value: object) -> dict[str, Any]:
    """``value``, where it is an object."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """``value``, where it is a list."""
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """``value``, where it is a text."""
    return value if isinstance(value, str) else ""


def number_of(value: object) -> float | None:
    """``value``, where it is a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # JSON knows no largest number
        return None


def seconds_of(value: object, *, per_second: float = 1.0) -> float | None:
    """Unix time in seconds of a number of which there are ``per_second``; None for no such time."""
    number = number_of(value)
    seconds = None if number is None else number / per_second
    return seconds if seconds is not None and 0.0 < seconds <= MAX_SECONDS else None


def stable_id(*words: str) -> str:
    """An id made of others' ids: the same at each import, never a path or an id of our own."""
    return uuid.uuid5(_NAMESPACE, "\0".join(words)).hex


def digest_of(content: bytes) -> str:
    """What the store calls a blob: its SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _pairs_only(units: bytes) -> bytes:
    return _PAIR_OR_HALF.sub(lambda match: match[1] or rb"\ufffd", units)
