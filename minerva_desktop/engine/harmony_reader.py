"""Reads the answers of gpt-oss: messages in channels. Part of `answer_parser`.

``<|channel|>analysis<|message|>…<|end|>`` is reasoning, ``final`` is content, and a message with a
recipient (``to=functions.name``) is a tool call. The template has written the first message's
``<|start|>assistant`` already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container

import msgspec

from minerva_desktop.engine.answer_parts import AnswerParts
from minerva_desktop.engine.answer_text import AnswerText, Marks, Reading
from minerva_desktop.engine.call_syntax import HARMONY_MARKS

_MARKS = Marks(HARMONY_MARKS)
_HEADER_ENDS = Marks(["<|message|>", "<|end|>", "<|call|>", "<|return|>", "\n"])
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")


class HarmonyReader:
    """Reads one answer to its end."""

    def __init__(
        self,
        tools: Container[str],
        *,
        reasons: bool,
        text: AnswerText,
        parts: AnswerParts,
        new_id: Callable[[], str],
    ) -> None:
        """``reasons`` False leaves what is thought in the content, between its marks."""
        self._tools = tools
        self._reasons = reasons
        self._text = text
        self._parts = parts
        self._new_id = new_id

    def read(self) -> Reading[None]:
        """To the end of the text."""
        text, parts = self._text, self._parts
        before = yield from text.space()
        if (yield from text.literal("to=")):
            yield from self._message(f"{before}to=")
        else:
            parts.say(before)
        while mark := (yield from text.until(_MARKS, parts.say)):
            yield from text.literal(mark)
            parts.drop_space()
            if mark in {"<|start|>", "<|channel|>"}:
                yield from self._message(mark)

    def _message(self, opening: str) -> Reading[None]:
        """The header behind ``opening``, and of a message that is no content its body."""
        text, parts = self._text, self._parts
        text.keep(opening)
        header = [opening]
        end = yield from text.until(_HEADER_ENDS, header.append)
        if end != "<|message|>":
            begun = text.kept()
            if end or not opening.startswith("<"):  # else the text's end cut a header
                parts.say(begun)
            return
        yield from text.literal(end)
        head = "".join(header)
        # A message to the assistant itself is none; its model began once more.
        names = [name for name in _RECIPIENT.findall(head) if name != "assistant"]
        channels = _CHANNEL.findall(head)
        if names:
            yield from self._call(names[-1].removeprefix("functions."))
        elif channels and channels[-1] == "analysis":
            kept = text.kept()
            parts.drop_space()
            if self._reasons:
                yield from text.until(_MARKS, parts.think)
            else:
                parts.say(f"<|channel|>{kept.rpartition('<|channel|>')[2]}")
                ended = yield from text.until(_MARKS, parts.say)
                parts.say("<|end|>" if ended else "")
            parts.drop_space()
        parts.drop_space()
        text.kept()

    def _call(self, name: str) -> Reading[None]:
        """The arguments of a call; where it is none, its header is content, and so is the rest."""
        parts = self._parts
        if name not in self._tools or not parts.may_call:
            parts.say(self._text.kept())
            return
        self._text.kept()
        parts.begin_call(self._new_id(), name)
        yield from self._text.space()
        pieces = []
        if (yield from self._text.peek()) in {"", "<"}:
            parts.add_arguments("{}")
            pieces.append("{}")

        def add(piece: str) -> None:
            pieces.append(piece)
            parts.add_arguments(piece)

        yield from self._text.until(_MARKS, add)
        # The mark behind it ends the answer and is not in its text.
        if _is_json("".join(pieces)):
            parts.end_call()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True
