"""LM Studio's conversation files to chats. Values, no I/O.

LM Studio keeps a file `….conversation.json` for each chat and says that its shape may change
(lmstudio-ai/lmstudio-js, issue 152). The facts here are those on which open programs agree that
read or write such files: YorkieDev/lm-studio-conversation-converter, zeveck/json_to_md (tested with
LM Studio 0.3.22) and others, and lmstudio-js itself for what a piece of content may be
(packages/lms-shared-types/src/ChatHistoryData.ts). In short:

- `name`, `createdAt` (Unix milliseconds), `systemPrompt` (older: the field
  `llm.prediction.systemPrompt` of `perChatPredictionConfig`), `lastUsedModel.identifier`, `pinned`.
- `messages` are places in one line; each has `versions`, of which `currentlySelected` is shown.
- A version is a `singleStep` (`role`, `content`) or a `multiStep` (`role`, `steps`). A step of the
  type `contentBlock` has `content`, with `style.type` "thinking" it is a train of thought, with
  `genInfo.identifier` it names its model; its `stepIdentifier` begins with Unix milliseconds.
- `genInfo.stats` are the numbers of an answer, as `LLMPredictionStats` of lmstudio-js has them.
- `clientInput` is what stands in the composer, `clientInputFiles` come with it.
- Content: `text` (`isStructural`: marks of the model's template), `file`, `toolCallRequest`,
  `toolCallResult`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.conversation import Conversation, TitleSource
from minerva_desktop.chat.import_attachments import Attachments
from minerva_desktop.chat.import_values import (
    MAX_MESSAGES,
    EmptyChat,
    FindAsset,
    ImportedChat,
    Outcome,
    decoded,
    list_of,
    number_of,
    object_of,
    outcomes,
    seconds_of,
    stable_id,
    text_of,
)
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.names import title_from
from minerva_desktop.chat.parts import (
    FilePart,
    Files,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.errors import ChatFileError, InvalidRequest

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_AT_A_LIMIT = {"maxPredictedTokensReached", "contextLengthReached"}
_STOPPED = "userStopped"
_MOST = 1e9  # tokens or seconds: more was never measured
_STEP_TIME = re.compile(r"(\d{12,14})-")
_MINUTES = re.compile(r"(\d{1,4})\s*m(?:in|inutes?)?\b")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*s(?:ec|econds?)?\b")


def chats_of_lm_studio(
    records: Sequence[msgspec.Raw], find: FindAsset, file_name: str, now: float
) -> Iterator[Outcome]:
    """The conversations ``records``, of which a file holds one. LM Studio tells chats apart by
    ``file_name``, and so does their id. ``find`` and ``now`` as for ChatGPT's."""

    def read(record: msgspec.Raw) -> ImportedChat:
        attachments = Attachments(find)
        reader = _Reader(object_of(decoded(record, object)), file_name, attachments, now)
        return ImportedChat(reader.conversation(), None, attachments.blobs, attachments.n_missing)

    return outcomes(records, read)


@dataclass
class _Draft:
    """A message that is put together; a version of LM Studio's makes one or several."""

    role: Role
    words: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    model: str = ""
    time: float | None = None
    completion: Completion | None = None

    @property
    def is_empty(self) -> bool:
        return not self.parts and not any(word.strip() for word in self.words)


class _Reader:
    """One conversation on its way."""

    def __init__(
        self, value: dict[str, Any], file_name: str, attachments: Attachments, now: float
    ) -> None:
        self._value = value
        self._attachments = attachments
        self._created = seconds_of(value.get("createdAt"), per_second=1000) or now
        self._key = ("lm-studio", file_name, str(value.get("createdAt")))

    def conversation(self) -> Conversation:
        """All versions. Raises `ChatFileError` where no message has anything in it."""
        value = self._value
        title = " ".join(text_of(value.get("name")).split())
        conversation = Conversation(
            id=stable_id(*self._key),
            created_at=self._created,
            updated_at=self._created,
            title=title,
            title_source=TitleSource.MODEL if title else TitleSource.FIRST_WORDS,
            system_prompt=self._system_prompt(),
            sampling=self._sampling(),
            is_pinned=value.get("pinned") is True,
            draft=text_of(value.get("clientInput")),
            draft_files=self._draft_files(),
        )
        selected: str | None = None
        for slot, place in enumerate(map(object_of, list_of(value.get("messages")))):
            selected = self._add_versions(conversation, slot, place, selected)
        if selected is None and not conversation.draft.strip() and not conversation.draft_files:
            raise EmptyChat("it has no message with anything in it")
        conversation.branch_from(selected)
        branch = conversation.active_branch()
        names = (*(m.text for m in branch), conversation.draft, *_names(conversation.draft_files))
        conversation.title = title or next(filter(None, map(title_from, names)), "")
        model = text_of(object_of(value.get("lastUsedModel")).get("identifier"))
        models = [message.model for message in branch if message.model]
        conversation.model = model or (models[-1] if models else None)
        conversation.updated_at = max(
            conversation.updated_at,
            *(
                seconds_of(value.get(key), per_second=1000) or 0.0
                for key in ("userLastMessagedAt", "assistantLastMessagedAt")
            ),
        )
        return conversation

    def _add_versions(
        self, conversation: Conversation, slot: int, place: dict[str, Any], parent: str | None
    ) -> str | None:
        """Add the versions of one place below ``parent``; the end of the one that is shown."""
        versions = [object_of(each) for each in list_of(place.get("versions"))]
        chosen = int(number_of(place.get("currentlySelected")) or 0)
        chosen = chosen if 0 <= chosen < len(versions) else len(versions) - 1
        shown = parent
        for number, version in enumerate(versions):
            end = parent
            for count, draft in enumerate(self._drafts(version)):
                if len(conversation) >= MAX_MESSAGES:
                    raise ChatFileError(f"it has over {MAX_MESSAGES:,} messages")
                message = self._message(conversation, draft, end, (slot, number, count))
                conversation.add(message)
                end = message.id
            if number == chosen:
                shown = end
        return shown

    def _message(
        self,
        conversation: Conversation,
        draft: _Draft,
        parent_id: str | None,
        place: tuple[int, int, int],
    ) -> Message:
        before = self._created if parent_id is None else conversation[parent_id].created_at
        return Message(
            id=stable_id(*self._key, *map(str, place)),
            parent_id=parent_id,
            role=draft.role,
            text="\n".join(filter(None, draft.words)).strip("\n"),
            state=_state(draft.completion),
            created_at=max(draft.time or before, before),
            parts=tuple(draft.parts),
            model=draft.model or None if draft.role is Role.ASSISTANT else None,
            completion=draft.completion,
        )

    def _drafts(self, version: dict[str, Any]) -> list[_Draft]:
        """The messages of one version: a tool's result is one of its own, between two parts of the
        answer."""
        role = _ROLES.get(text_of(version.get("role")))
        if role is None:
            return []
        sender = text_of(object_of(version.get("senderInfo")).get("senderName"))
        drafts = [_Draft(role, model=sender)]
        steps = list_of(version.get("steps")) or [
            {"type": "contentBlock", "content": version.get("content")}
        ]
        for step in map(object_of, steps):
            if step.get("type") == "contentBlock":
                self._take_step(step, drafts)
        return [draft for draft in drafts if not draft.is_empty]

    def _take_step(self, step: dict[str, Any], drafts: list[_Draft]) -> None:
        content = step.get("content")
        pieces = [{"type": "text", "text": content}] if isinstance(content, str) else content
        draft = drafts[-1]
        about = object_of(step.get("genInfo"))
        draft.model = text_of(about.get("identifier")) or draft.model
        draft.completion = _completion(object_of(about.get("stats"))) or draft.completion
        stamp = _STEP_TIME.match(text_of(step.get("stepIdentifier")))
        draft.time = draft.time or seconds_of(float(stamp[1]) if stamp else None, per_second=1000)
        style = object_of(step.get("style"))
        thoughts: list[str] = []
        for piece in map(object_of, list_of(pieces)):
            if piece.get("type") == "toolCallResult":
                self._take_result(piece, drafts)
            elif piece.get("type") == "text" and style.get("type") == "thinking":
                thoughts.append(
                    "" if piece.get("isStructural") is True else text_of(piece.get("text"))
                )
            else:
                self._take_piece(piece, drafts[-1])
        thought = "".join(thoughts).strip()
        if thought:
            drafts[-1].parts.append(ReasoningPart(thought, _milliseconds(style)))

    def _take_piece(self, piece: dict[str, Any], draft: _Draft) -> None:
        match piece.get("type"):
            case "text" if piece.get("isStructural") is not True:
                draft.words.append(text_of(piece.get("text")))
            case "file":
                found = _attachment(self._attachments, piece)
                if isinstance(found, str):
                    draft.words.insert(0, found + "\n")
                else:
                    draft.parts.append(found)
            case "toolCallRequest":
                draft.parts.append(ToolCallPart(_call(piece)))

    def _take_result(self, piece: dict[str, Any], drafts: list[_Draft]) -> None:
        content = piece.get("content")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        call_id = text_of(piece.get("toolCallId")) or text_of(piece.get("toolCallRequestId"))
        name = text_of(piece.get("name")) or _called(drafts, call_id)
        result = ToolResultPart(call_id, text, name)
        model = drafts[-1].model
        drafts += [_Draft(Role.TOOL, parts=[result]), _Draft(Role.ASSISTANT, model=model)]

    def _draft_files(self) -> Files:
        """Those with text: a draft takes no images here."""
        came = Attachments(self._attachments.find)
        pieces = map(object_of, list_of(self._value.get("clientInputFiles")))
        found = [_attachment(came, piece) for piece in pieces]
        files = tuple(part for part in found if isinstance(part, FilePart))
        self._attachments.n_missing += len(found) - len(files)
        return files

    def _system_prompt(self) -> str:
        prompt = text_of(self._setting("llm.prediction.systemPrompt"))
        return prompt or text_of(self._value.get("systemPrompt"))

    def _sampling(self) -> SamplingParameters:
        """With the chat's own temperature, if it has one that can be had here."""
        temperature = number_of(self._setting("llm.prediction.temperature"))
        try:
            found = SamplingParameters(
                temperature=SamplingParameters().temperature if temperature is None else temperature
            )
            found.check()
        except InvalidRequest:
            return SamplingParameters()
        return found

    def _setting(self, key: str) -> object:
        """The first one of that key which the chat has of its own."""
        config = object_of(self._value.get("perChatPredictionConfig"))
        fields = map(object_of, list_of(config.get("fields")))
        found = (each.get("value") for each in fields if each.get("key") == key)
        return next((value for value in found if value is not None and value != ""), None)


def _attachment(attachments: Attachments, piece: dict[str, Any]) -> ImagePart | FilePart | str:
    file_id = text_of(piece.get("fileIdentifier")) or text_of(piece.get("identifier"))
    name = text_of(piece.get("name")) or file_id
    return attachments.part(file_id, name, text_of(piece.get("fileType")))


def _names(files: Files) -> list[str]:
    return [file.name for file in files]


def _completion(stats: dict[str, Any]) -> Completion | None:
    """The numbers of an answer as far as they are known; None where it is not known how many tokens
    it has."""
    n_tokens = round(_measured(stats, "predictedTokensCount"))
    if not n_tokens:
        return None
    speed = _measured(stats, "tokensPerSecond")
    reason = text_of(stats.get("stopReason"))
    ended = FinishReason.LENGTH if reason in _AT_A_LIMIT else FinishReason.STOP
    return Completion(
        finish_reason=FinishReason.CANCELLED if reason == _STOPPED else ended,
        timings=Timings(
            prompt_tokens=round(_measured(stats, "promptTokensCount")),
            first_token_ms=1000 * _measured(stats, "timeToFirstTokenSec"),
            completion_tokens=n_tokens,
            # What gives that speed between the first token and the last.
            decode_ms=1000 * (n_tokens - 1) / speed if speed else 0.0,
        ),
        seed=None,
    )


def _measured(stats: dict[str, Any], key: str) -> float:
    """0.0 where that is not known."""
    number = number_of(stats.get(key))
    return number if number is not None and 0.001 <= number <= _MOST else 0.0


def _state(completion: Completion | None) -> MessageState:
    if completion is not None and completion.finish_reason is FinishReason.CANCELLED:
        return MessageState.STOPPED
    return MessageState.COMPLETE


def _call(piece: dict[str, Any]) -> ToolCall:
    """The request is an object of its own, or its members are the piece's."""
    request = object_of(piece.get("toolCallRequest")) or piece
    arguments = request.get("arguments", request.get("parameters"))
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {}, ensure_ascii=False)
    call_id = text_of(request.get("id")) or text_of(request.get("toolCallRequestId"))
    return ToolCall(call_id, text_of(request.get("name")), arguments)


def _called(drafts: list[_Draft], call_id: str) -> str:
    """The name of the tool that was called by that id; empty for an unknown one."""
    parts = (part for draft in reversed(drafts) for part in draft.parts)
    calls = (part.call for part in parts if isinstance(part, ToolCallPart))
    return next((call.name for call in calls if call.id == call_id), "")


def _milliseconds(style: dict[str, Any]) -> float:
    """LM Studio keeps it as words only: "Thought for 1 minute 2.3 seconds"."""
    title = text_of(style.get("title"))
    minutes, seconds = _MINUTES.search(title), _SECONDS.search(title)
    return (60 * float(minutes[1]) if minutes else 0.0) * 1000 + (
        float(seconds[1]) * 1000 if seconds else 0.0
    )
