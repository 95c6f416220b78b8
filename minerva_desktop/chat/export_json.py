"""Chats as JSON that loses nothing of them, in pieces, and as one text. Values, no I/O.

A file is one object (`import_json` reads it)::

    {"format": "minerva-chats", "version": 1, "exported_at": 1767225600.0,
     "folders": [{"id": …, "name": …}],
     "chats": [{…all fields of a conversation…, "messages": […all branches, oldest first…]}],
     "blobs": {"SHA-256 of an image, in hexadecimal": "its bytes in base64"}}

A new field is no new version: who does not know it leaves it out. ``-Infinity`` is no JSON, and so
a bias that bans a token is the text ``"-inf"``. What an expert reads of an error (`Failure.detail`)
stays here: it may tell of this machine.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from minerva_desktop.chat.conversation import Conversation, Folder, clean_text
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.waiting_message import without_folder

FORMAT = "minerva-chats"
VERSION = 1


def json_head(exported_at: float, folders: Iterable[Folder]) -> bytes:
    """What comes before the chats; ``exported_at`` is Unix time in seconds."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": exported_at,
        "folders": [msgspec.to_builtins(folder) for folder in folders],
    }
    return _encoded(head)[:-1] + b',"chats":['


def json_chat(conversation: Conversation) -> bytes:
    """One chat; commas between them are the caller's."""
    return _encoded(
        {
            "id": conversation.id,
            "title": conversation.title,
            "title_source": conversation.title_source,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
            "model": conversation.model,
            "system_prompt": conversation.system_prompt,
            "sampling": _sampling(conversation.sampling),
            "folder_id": conversation.folder_id,
            "tags": conversation.tags,
            "is_pinned": conversation.is_pinned,
            "is_archived": conversation.is_archived,
            "draft": conversation.draft,
            "draft_files": conversation.draft_files,
            # Where the file of its model is, is nobody else's business.
            "waiting": [without_folder(each) for each in conversation.waiting],
            "scroll": conversation.scroll,
            "cuts": conversation.cuts,
            "active_leaf_id": conversation.active_leaf_id,
            "messages": [_message(message) for message in conversation],
        }
    )


def json_between() -> bytes:
    """What comes between the chats and the blobs."""
    return b'],"blobs":{'


def json_blob(digest: str, content: bytes) -> bytes:
    """One blob; commas between them are the caller's."""
    return _encoded(digest) + b':"' + base64.b64encode(content) + b'"'


def json_end() -> bytes:
    """What comes behind the blobs."""
    return b"}}\n"


def chats_to_json(
    conversations: Sequence[Conversation],
    blobs: Mapping[str, bytes],
    folders: Iterable[Folder] = (),
    exported_at: float = 0.0,
) -> bytes:
    """The whole file of a few chats, for which it need not be written piece by piece. ``blobs``:
    the images' bytes by digest, of which those that the chats name are in it."""
    digests = sorted({each for chat in conversations for each in digests_of(chat)} & set(blobs))
    pieces = [
        json_head(exported_at, folders),
        b",".join(map(json_chat, conversations)),
        json_between(),
        b",".join(json_blob(digest, blobs[digest]) for digest in digests),
        json_end(),
    ]
    return b"".join(pieces)


def digests_of(conversation: Conversation) -> set[str]:
    """The digests of the images in all branches."""
    parts = (part for message in conversation for part in message.parts)
    return {part.digest for part in parts if isinstance(part, ImagePart)}


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, from Qt's UTF-16
        return msgspec.json.encode(_cleaned(msgspec.to_builtins(value, str_keys=True)))


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(key): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
    return value


def _message(message: Message) -> Any:
    if message.failure is not None and message.failure.detail:
        message = replace(message, failure=replace(message.failure, detail=""))
    if message.sampling is None or not _bans(message.sampling):
        return message
    return msgspec.to_builtins(message, str_keys=True) | {"sampling": _sampling(message.sampling)}


def _sampling(sampling: SamplingParameters) -> Any:
    if not _bans(sampling):
        return sampling
    biases = {
        str(token): bias if math.isfinite(bias) else str(bias)
        for token, bias in sampling.logit_bias.items()
    }
    return msgspec.to_builtins(sampling, str_keys=True) | {"logit_bias": biases}


def _bans(sampling: SamplingParameters) -> bool:
    return any(math.isinf(bias) for bias in sampling.logit_bias.values())
