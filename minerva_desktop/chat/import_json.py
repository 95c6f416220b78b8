"""Our own export (`export_json`) back to chats. Values, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import (
    Conversation,
    Folder,
    ScrollPosition,
    TitleSource,
)
from minerva_desktop.chat.export_json import FORMAT, VERSION, digests_of
from minerva_desktop.chat.import_values import (
    MAX_MESSAGES,
    MAX_SECONDS,
    ImportedChat,
    Outcome,
    decoded,
    digest_of,
    elements,
    outcomes,
)
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.waiting_message import Waiting, without_folder
from minerva_desktop.errors import ChatFileError, InvalidRequest

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")  # it becomes the name of a file, too


class _Chat(msgspec.Struct, kw_only=True):
    id: str
    created_at: float
    updated_at: float
    title: str = ""
    title_source: TitleSource = TitleSource.FIRST_WORDS
    model: str | None = None
    system_prompt: str = ""
    sampling: SamplingParameters = SamplingParameters()
    folder_id: str | None = None
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    is_archived: bool = False
    draft: str = ""
    draft_files: Files = ()
    waiting: Waiting = ()
    scroll: ScrollPosition | None = None
    cuts: tuple[ContextCut, ...] = ()
    active_leaf_id: str | None = None
    messages: tuple[Message, ...] = ()


def chats_of_minerva(whole: Mapping[str, msgspec.Raw]) -> Iterator[Outcome]:
    """The chats in a file of ours, whose members are ``whole``. Raises `ChatFileError` for one of
    another kind or of a later version."""
    _check_version(whole)
    try:
        folders = {each.id: each for each in decoded(whole["folders"], tuple[Folder, ...])}
    except (KeyError, msgspec.DecodeError):
        folders = {}  # the chats are worth more than where they lay
    try:
        blobs = decoded(whole["blobs"], dict[str, msgspec.Raw])
    except (KeyError, msgspec.DecodeError):
        blobs = {}

    def read(record: msgspec.Raw) -> ImportedChat:
        conversation = _conversation(record)
        digests = digests_of(conversation)
        found = {digest: _blob(digest, blobs.get(digest)) for digest in digests}
        kept = {digest: content for digest, content in found.items() if content is not None}
        folder = folders.get(conversation.folder_id or "")
        return ImportedChat(conversation, folder, kept, len(digests) - len(kept))

    return outcomes(elements(whole["chats"]), read)


def _check_version(whole: Mapping[str, msgspec.Raw]) -> None:
    try:
        kind, version = decoded(whole["format"], object), decoded(whole["version"], object)
    except (KeyError, msgspec.DecodeError):
        raise ChatFileError("it does not say which version it is") from None
    if kind != FORMAT or not isinstance(version, int) or version < 1:
        raise ChatFileError(f"its format is {kind!r}, version {version!r}, not {FORMAT!r}")
    if version > VERSION:
        raise ChatFileError(
            f"a newer Minerva wrote it (version {version} of the format, this one knows up to "
            f"{VERSION}): update the app to import it"
        )


def _conversation(record: msgspec.Raw) -> Conversation:
    chat = decoded(record, _Chat)
    for each in (chat.id, *(message.id for message in chat.messages)):
        if not _ID.fullmatch(each):
            raise ChatFileError(f"the id {each[:80]!r} is none of ours")
    if len(chat.messages) > MAX_MESSAGES:
        raise ChatFileError(f"it has {len(chat.messages):,} messages, over {MAX_MESSAGES:,}")
    times = [chat.created_at, chat.updated_at]
    times += (each.created_at for each in chat.messages)
    times += (each.edited_at for each in chat.messages if each.edited_at is not None)
    if not all(0.0 <= each <= MAX_SECONDS for each in times):
        raise ChatFileError("it has dates before the year 1970 or behind the year 9999")
    try:
        chat.sampling.check()
    except InvalidRequest as error:
        raise ChatFileError(f"its parameters are wrong: {error.message}") from error
    conversation = Conversation(
        id=chat.id,
        created_at=chat.created_at,
        updated_at=chat.updated_at,
        title=chat.title,
        title_source=chat.title_source,
        model=chat.model,
        system_prompt=chat.system_prompt,
        sampling=chat.sampling,
        folder_id=chat.folder_id,
        tags=chat.tags,
        is_pinned=chat.is_pinned,
        is_archived=chat.is_archived,
        draft=chat.draft,
        draft_files=chat.draft_files,
        waiting=_waiting(chat.waiting),
        scroll=chat.scroll,
        cuts=chat.cuts,
    )
    for message in chat.messages:
        conversation.add(_ended(message))
    if chat.active_leaf_id is not None and chat.active_leaf_id in conversation:
        conversation.branch_from(chat.active_leaf_id)
    conversation.updated_at = chat.updated_at
    return conversation


def _waiting(waiting: Waiting) -> Waiting:
    """Not for a file of the exporter's choice: it could be on a server of theirs."""
    return tuple(without_folder(each) for each in waiting if each.text.strip() or each.files)


def _ended(message: Message) -> Message:
    """An answer that was running when it was exported runs no longer."""
    if message.state is not MessageState.STREAMING:
        return message
    return msgspec.structs.replace(message, state=MessageState.INTERRUPTED)


def _blob(digest: str, record: msgspec.Raw | None) -> bytes | None:
    """Its bytes, None where they are not there or are others."""
    try:
        content = None if record is None else decoded(record, bytes)
    except msgspec.DecodeError:
        return None
    return content if content is not None and digest_of(content) == digest else None
