"""What a message is made of besides its words: thoughts, files, images, calls of tools.

Values without I/O. An image's bytes are not in here: ``digest`` names them in the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from minerva_desktop.chat.tools import ToolCall

PDF = "application/pdf"
MAX_FILES = 50  # of one message, or of one request

_NO_TICK = re.compile("[^`]")


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """The train of thought before an answer; ``milliseconds`` is how long it took."""

    text: str
    milliseconds: float = 0.0


class FilePart(msgspec.Struct, frozen=True, tag="file", omit_defaults=True):
    """A text file that came with a question: the model reads ``text``; ``n_bytes`` is the size of
    the file that it was taken from. ``n_tokens``: as the model counted them that it was sent to; 0
    where none did."""

    name: str
    text: str
    n_bytes: int
    media_type: str = "text/plain"
    n_tokens: int = 0


class ImagePart(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """An image that came with a question. ``digest``: the SHA-256 of its bytes, in hexadecimal;
    sizes in pixels."""

    name: str
    digest: str
    n_bytes: int
    media_type: str
    width: int = 0
    height: int = 0


class ToolCallPart(msgspec.Struct, frozen=True, tag="tool_call"):
    """A call that the answer asks for."""

    call: ToolCall


class ToolResultPart(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """What the tool ``name`` gave back to the call ``call_id``."""

    call_id: str
    text: str
    name: str = ""


Part = ReasoningPart | FilePart | ImagePart | ToolCallPart | ToolResultPart
Files = tuple[FilePart, ...]


def sent_texts(files: Files) -> list[tuple[str, str]]:
    """What tells ``files`` from others; their tokens may be counted at any time."""
    return [(file.name, file.text) for file in files]


def file_as_text(part: FilePart) -> str:
    """A file as a model reads it: its name and kind, then its text between fences that it does not
    hold."""
    fence = _fence_around(part.text)
    kind = " (the text of a PDF)" if part.media_type == PDF else ""
    return f"{' '.join(part.name.split())}{kind}:\n{fence}\n{part.text}\n{fence}"


def _fence_around(text: str) -> str:
    """Longer than any in it. Looks only for one that is as long: an expression for all would take
    ten times as long, in which no other thread runs."""
    fence, end = "```", 0
    while (at := text.find(fence, end)) >= 0:
        behind = _NO_TICK.search(text, at)
        end = behind.start() if behind else len(text)
        fence = "`" * (end - at + 1)
    return fence


def files_in(parts: Iterable[Part]) -> Files:
    """The text files among ``parts``."""
    return tuple(part for part in parts if isinstance(part, FilePart))
