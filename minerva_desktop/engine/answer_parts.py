"""What an answer is made of, and the list in which its parts are put together."""

from __future__ import annotations

from collections import Counter

import msgspec

SPACE = " \t\r\n"
# Five dice may be rolled, but a model that is caught in a loop would roll up to the end of the
# context. Where they must call, small models repeat themselves at once: SmolLM2 nearly always.
MAX_ALIKE = 16
MAX_ALIKE_FORCED = 1


class ContentDelta(msgspec.Struct, frozen=True):
    """More of what the answer says."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More of the train of thought."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True):
    """More of the call number ``index`` (from 0). The first delta of a call has its ``id`` and
    ``name``; ``arguments`` of all of them together are the JSON text of its arguments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


AnswerPart = ContentDelta | ReasoningDelta | ToolCallDelta


class AnswerParts:
    """Collects parts; neighbours of one kind become one. White space at the edges is dropped or
    kept as the caller says, whenever it is known what stands behind it."""

    def __init__(self, *, most: int | None = None, alike: int = MAX_ALIKE) -> None:
        """``most``: what comes behind so many calls is dropped. So are a call that was made
        ``alike`` times already and all behind it; what may become one is held back."""
        self._most = most
        self._repeats = _RepeatWatch(alike)
        self.is_over = False  # something was dropped
        self._parts: list[AnswerPart] = []
        self._pieces: list[str] = []
        self._arguments: list[str] = []  # of the last call, behind which nothing came yet
        self._is_thought = False
        self._space: list[str] = []  # at the end of the text so far
        self._skip_space = False
        self.n_calls = 0
        self.is_call_open = False

    @property
    def may_call(self) -> bool:
        """Whether there may be another call."""
        return not self.is_over and (self._most is None or self.n_calls < self._most)

    def say(self, text: str) -> None:
        """Add content."""
        self._add(text, is_thought=False)

    def think(self, text: str) -> None:
        """Add reasoning."""
        self._add(text, is_thought=True)

    def begin_call(self, call_id: str, name: str) -> None:
        """Start a call. Content after it begins without white space."""
        self.drop_space()
        self._close()
        begun = ToolCallDelta(self.n_calls, call_id, name)
        if not self._repeats.begin(begun):
            self._parts.append(begun)
        self.n_calls += 1
        self.is_call_open = True

    def end_call(self) -> None:
        """The arguments of the last call are whole."""
        if self.is_call_open:
            self.is_over, held = self._repeats.end()
            if self.is_over:
                self.n_calls -= 1
            elif held is not None:
                self._parts.append(held)
        self.is_call_open = False

    def add_arguments(self, text: str) -> None:
        """Add to the last call's arguments."""
        was_held = self._repeats.is_held
        held = self._repeats.add(text)
        if held is not None:
            self._parts.append(held)
        elif not was_held and text:
            self._arguments.append(text)

    def drop_space(self) -> None:
        """The white space at the end so far, and at the beginning of what comes, is not wanted."""
        self._space.clear()
        self._skip_space = True

    def take_space(self) -> str:
        """Take the white space at the end so far back, in case it is wanted after all."""
        space = "".join(self._space)
        self._space.clear()
        return space

    def release_space(self) -> None:
        """The white space at the end so far is wanted."""
        if self._space:
            self._pieces.append(self.take_space())

    def taken(self) -> list[AnswerPart]:
        """All parts so far; they are gone from here."""
        self._close()
        parts, self._parts = self._parts, []
        return parts

    def _add(self, text: str, *, is_thought: bool) -> None:
        if self.is_over or not (self.may_call or self.is_call_open):
            self.is_over = self.is_over or bool(text.strip(SPACE))
            return
        if is_thought is not self._is_thought:
            self.release_space()
            self._close()
            self._is_thought = is_thought
        if self._skip_space:
            text = text.lstrip(SPACE)
        body = text.rstrip(SPACE)
        if body:
            self._skip_space = False
            self.release_space()
            self._pieces.append(body)
        if len(body) < len(text):
            self._space.append(text[len(body) :])

    def _close(self) -> None:
        if self._arguments:
            text, index = "".join(self._arguments), self.n_calls - 1
            self._arguments.clear()
            last = self._parts[-1] if self._parts else None
            if isinstance(last, ToolCallDelta) and last.index == index and not last.arguments:
                self._parts[-1] = msgspec.structs.replace(last, arguments=text)
            else:
                self._parts.append(ToolCallDelta(index, arguments=text))
        if self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._parts.append(ReasoningDelta(text) if self._is_thought else ContentDelta(text))


class _RepeatWatch:
    """Compares each call with those before it, as it arrives. What may become one of them once too
    often is held back."""

    def __init__(self, most: int) -> None:
        """``most``: how many may be alike."""
        self._most = most
        self.is_held = False
        self._made: Counter[tuple[str, str]] = Counter()
        self._spent: dict[str, list[str]] = {}  # arguments that may not come again, by the name
        self._begun = ToolCallDelta(0)
        self._pieces: list[str] = []
        self._length = 0
        self._alike: list[str] = []  # the arguments of earlier calls that begin like these

    def begin(self, begun: ToolCallDelta) -> bool:
        """A call begins; whether to hold it back."""
        self._begun, self._length = begun, 0
        self._pieces.clear()
        self._alike = list(self._spent.get(begun.name or "", ()))
        self.is_held = bool(self._alike)
        return self.is_held

    def add(self, text: str) -> ToolCallDelta | None:
        """More of its arguments. What was held back until now, where it is no repeat."""
        self._pieces.append(text)
        if not self.is_held:
            return None
        self._alike = [other for other in self._alike if other.startswith(text, self._length)]
        self._length += len(text)
        return None if self._alike else self._released()

    def end(self) -> tuple[bool, ToolCallDelta | None]:
        """The call is whole. Whether it is a repeat, and what was held back where it is none."""
        call = (self._begun.name or "", "".join(self._pieces))
        is_repeat = self.is_held and self._made[call] >= self._most
        self._made[call] += 1
        if self._made[call] == self._most:
            self._spent.setdefault(call[0], []).append(call[1])
        held = self._released() if self.is_held and not is_repeat else None
        self.is_held = False
        return is_repeat, held

    def _released(self) -> ToolCallDelta:
        self.is_held = False
        return msgspec.structs.replace(self._begun, arguments="".join(self._pieces))
