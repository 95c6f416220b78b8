"""What a message in ChatGPT's export says, by its content type. Values, no I/O.

Facts as in `import_chatgpt`; content types and where their words are:

- `text`, `multimodal_text`: `parts`, texts and objects; of objects, `image_asset_pointer` has
  `asset_pointer` (`file-service://file-…`, `sediment://file_…`), `audio_transcription` has `text`.
- `code`: `text`, `language`; with a tool as the recipient it is a call.
- `execution_output`, `system_error`: `text`. `tether_browsing_display`: `result`. `tether_quote`:
  `title`, `url`, `text`.
- `thoughts`: `thoughts`, objects with `summary` and `content`. `reasoning_recap`: `content`
  ("Thought for 8s"), with `metadata.finished_duration_sec`.
- `user_editable_context`, `model_editable_context`: custom instructions, which are not shown.
- `metadata.attachments`: `id` and `name` of files. `metadata.content_references`: `matched_text`, a
  mark between private characters, and `alt`, what is shown for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from minerva_desktop.chat.import_attachments import Attachments
from minerva_desktop.chat.import_values import list_of, number_of, object_of, text_of
from minerva_desktop.chat.message import Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.tools import ToolCall

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.TOOL}
_UNSEEN = frozenset({"user_editable_context", "model_editable_context"})
_TO_ALL = frozenset({"", "all", "assistant"})
_MARKS = re.compile("\ue200[^\ue201]{0,2000}\ue201|[\ue200-\ue206]")
_POINTER = re.compile(r"^(?:file-service|sediment)://")


class Content(msgspec.Struct, frozen=True):
    """A message's role, words and parts. ``is_thought``: it belongs to the answer that follows;
    ``recap_ms``: it only says how long the thoughts before it took."""

    role: Role
    text: str
    parts: tuple[Part, ...] = ()
    is_thought: bool = False
    recap_ms: float = 0.0


def role_of(message: dict[str, Any]) -> Role | None:
    """Who speaks; None for what is not shown, like ChatGPT's own instructions."""
    return _ROLES.get(text_of(object_of(message.get("author")).get("role")))


def is_hidden(message: dict[str, Any]) -> bool:
    """Whether ChatGPT does not show it."""
    metadata = object_of(message.get("metadata"))
    kind = text_of(object_of(message.get("content")).get("content_type"))
    is_marked = metadata.get("is_visually_hidden_from_conversation") is True
    return is_marked or kind in _UNSEEN or role_of(message) is None


def content_of(
    message: dict[str, Any], attachments: Attachments, call_id: str, new_call_id: str
) -> Content:
    """What a message that is shown says. ``call_id``: the call that a tool's message answers;
    ``new_call_id``: what a call in it is to be called."""
    role = role_of(message) or Role.ASSISTANT
    content, metadata = object_of(message.get("content")), object_of(message.get("metadata"))
    kind = text_of(content.get("content_type"))
    if kind == "thoughts":
        text = _thoughts(content)
        return Content(role, "", (ReasoningPart(text),) if text else (), is_thought=True)
    if kind == "reasoning_recap":
        seconds = number_of(metadata.get("finished_duration_sec")) or 0.0
        return Content(role, "", is_thought=True, recap_ms=max(seconds, 0.0) * 1000)
    text, parts = _words(content, kind, attachments, _names(metadata))
    text = _without_marks(text, metadata)
    recipient = text_of(message.get("recipient"))
    if role is Role.ASSISTANT and recipient not in _TO_ALL:
        call = ToolCall(new_call_id, recipient, _arguments(text))
        return Content(role, "", (*parts, ToolCallPart(call))) if text else Content(role, "")
    if role is Role.TOOL:
        return _of_tool(message, text, parts, call_id)
    if kind == "code" and text:
        text = _fenced(text, text_of(content.get("language")))
    for each in _attached(metadata, content, attachments):
        if isinstance(each, str):
            text = "\n\n".join(filter(None, (each, text)))
        else:
            parts.append(each)
    return Content(role, text, tuple(parts))


def _of_tool(
    message: dict[str, Any], text: str, parts: list[ImagePart | FilePart], call_id: str
) -> Content:
    images = tuple(part for part in parts if isinstance(part, ImagePart))
    if images:  # made by a tool, and shown as the answer
        return Content(Role.ASSISTANT, "", images)
    name = text_of(object_of(message.get("author")).get("name"))
    result = ToolResultPart(call_id, text, name)
    return Content(Role.TOOL, "", (result,) if text.strip() else ())


def _names(metadata: dict[str, Any]) -> dict[str, str]:
    """What the person's files are called, by their ids."""
    attached = map(object_of, list_of(metadata.get("attachments")))
    return {text_of(each.get("id")): text_of(each.get("name")) for each in attached}


def _words(
    content: dict[str, Any], kind: str, attachments: Attachments, names: Mapping[str, str]
) -> tuple[str, list[ImagePart | FilePart]]:
    words: list[str] = []
    parts: list[ImagePart | FilePart] = []
    if kind == "tether_quote":
        words = [text_of(content.get(key)) for key in ("title", "url", "text")]
    elif "parts" in content:
        for each in list_of(content["parts"]):
            found = _element(each, attachments, names)
            if isinstance(found, str):
                words.append(found)
            elif found is not None:
                parts.append(found)
    else:
        keys = ("text", "result", "content", "summary")
        words = [next(filter(None, (text_of(content.get(key)) for key in keys)), "")]
    return "\n".join(filter(None, words)), parts


def _element(
    element: object, attachments: Attachments, names: Mapping[str, str]
) -> ImagePart | FilePart | str | None:
    if isinstance(element, str):
        return element
    part = object_of(element)
    kind = text_of(part.get("content_type"))
    pointer = text_of(part.get("asset_pointer"))
    if kind == "image_asset_pointer" and pointer:
        file_id = _POINTER.sub("", pointer)
        return attachments.part(file_id, names.get(file_id, ""), "image")
    if "asset_pointer" in kind:  # speech; what was said is beside it, as text
        attachments.n_missing += 1
        return None
    return text_of(part.get("text")) or None


def _attached(
    metadata: dict[str, Any], content: dict[str, Any], attachments: Attachments
) -> list[ImagePart | FilePart | str]:
    """Files that came with a message and are not in its parts already."""
    pointers = [
        text_of(object_of(part).get("asset_pointer")) for part in list_of(content.get("parts"))
    ]
    shown = {_POINTER.sub("", pointer) for pointer in pointers}
    found: list[ImagePart | FilePart | str] = []
    for each in map(object_of, list_of(metadata.get("attachments"))):
        file_id = text_of(each.get("id"))
        if file_id and file_id not in shown:
            found.append(attachments.part(file_id, text_of(each.get("name"))))
    return found


def _thoughts(content: dict[str, Any]) -> str:
    paragraphs: list[str] = []
    for each in map(object_of, list_of(content.get("thoughts"))):
        summary, words = text_of(each.get("summary")).strip(), text_of(each.get("content")).strip()
        paragraphs += [f"**{summary}**"] if summary else []
        paragraphs += [words] if words else []
    return "\n\n".join(paragraphs)


def _arguments(text: str) -> str:
    """A call's arguments as a JSON object: of code, its text."""
    try:
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    return text if is_object else json.dumps({"code": text}, ensure_ascii=False)


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    word = language if language.isalnum() and language != "unknown" else ""
    return f"{fence}{word}\n{text}\n{fence}"


def _without_marks(text: str, metadata: dict[str, Any]) -> str:
    """Marks for sources, which are no characters that could be shown, as the words for them."""
    if "\ue200" not in text:
        return text
    for each in map(object_of, list_of(metadata.get("content_references"))):
        mark, shown = text_of(each.get("matched_text")), text_of(each.get("alt"))
        if mark.startswith("\ue200"):
            text = text.replace(mark, shown)
    return _MARKS.sub("", text)
