"""Chats from the text of a file: our own export, ChatGPT's or LM Studio's. Values, no I/O.

Which it is, the content says, not the file's name. Chats are read one by one, so that one that
cannot be read costs itself alone, and a large file is never in memory as objects as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from minerva_desktop.chat.import_chatgpt import chats_of_chatgpt
from minerva_desktop.chat.import_json import chats_of_minerva
from minerva_desktop.chat.import_lm_studio import chats_of_lm_studio
from minerva_desktop.chat.import_values import (
    FindAsset,
    Outcome,
    document,
    elements,
    members,
)

_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 100  # elements of a list, for what tells whose it is


class ChatFormat(StrEnum):
    """Whose export a file is."""

    MINERVA = "Minerva Desktop"
    CHATGPT = "ChatGPT"
    LM_STUDIO = "LM Studio"


class ChatDocument(msgspec.Struct, frozen=True):
    """A file that was recognised: its chats unread, and what else is around them."""

    format: ChatFormat
    records: tuple[msgspec.Raw, ...]
    whole: Mapping[str, msgspec.Raw] = {}


def recognised(data: bytes) -> ChatDocument | None:
    """The chats in a JSON file, None where it holds something else. Raises `ChatFileError` for what
    is no JSON."""
    data = data.removeprefix(_BOM)
    whole = document(data)
    if isinstance(whole, list):
        has_chats = any("mapping" in members(each) for each in whole[:_LOOKED_AT])
        return ChatDocument(ChatFormat.CHATGPT, tuple(whole)) if has_chats else None
    if "format" in whole and "chats" in whole:
        records = tuple(elements(whole["chats"]))
        return ChatDocument(ChatFormat.MINERVA, records, whole)
    if "mapping" in whole:
        return ChatDocument(ChatFormat.CHATGPT, (msgspec.Raw(data),))
    places = elements(whole.get("messages"))[:_LOOKED_AT]
    is_begun = "messages" in whole and "clientInput" in whole
    if is_begun or any("versions" in members(place) for place in places):
        return ChatDocument(ChatFormat.LM_STUDIO, (msgspec.Raw(data),))
    return None


def chats_in(found: ChatDocument, find: FindAsset, file_name: str, now: float) -> Iterator[Outcome]:
    """The chats of a file, one by one. ``find`` gives an attachment by its id, ``now`` is Unix time
    in seconds. Raises `ChatFileError` for a version of our format that is not known."""
    match found.format:
        case ChatFormat.MINERVA:
            return chats_of_minerva(found.whole)
        case ChatFormat.CHATGPT:
            return chats_of_chatgpt(found.records, find, now)
        case ChatFormat.LM_STUDIO:
            return chats_of_lm_studio(found.records, find, file_name, now)
