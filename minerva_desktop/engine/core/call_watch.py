"""Sees in an answer's bytes where a tool call begins. Pure Python: no ctypes, no clock, no I/O.

llama.cpp has a grammar sampler that waits for a pattern (its ``init_grammar_lazy_patterns``), but
it is not sound (0.3.36, ``src/llama-grammar.cpp``): it runs a ``std::regex``, whose search
recurses, over all text so far at every token; and it gives what stands behind the pattern to the
grammar unasked, so that a token which holds more than the pattern and does not fit throws a C++
exception, which ends the process. So the text is watched here, and `Sampler` starts a plain
grammar where a call has begun, with what the grammar itself says it takes.
"""

from __future__ import annotations

from minerva_desktop.engine.call_syntax import ThoughtMarks
from minerva_desktop.engine.core.call_grammar import StartedCall

_SPACE = b" \t\r\n"


class CallWatch:
    """Watches one answer for the beginning of calls outside of its train of thought."""

    def __init__(self, started: StartedCall, thought: ThoughtMarks | None, opening: str) -> None:
        """``opening`` is what the prompt has opened for the answer (`Prompt.opening`)."""
        self.started = started
        self._trigger = started.trigger.encode()
        self._thought = (b"", b"")
        if thought is not None:
            self._thought = (thought.opening.encode(), thought.closing.encode())
        self._tail = opening.encode()
        self._is_thought = False
        self._is_start = thought is not None

    def feed(self, piece: bytes) -> bytes | None:
        """Add a token's bytes. What follows the beginning of a call in them, or None while there
        is none; the watch goes on behind it."""
        self._tail += piece
        opening, closing = self._thought
        if self._is_start:
            begun = self._tail.lstrip(_SPACE)
            if opening.startswith(begun):
                return None
            self._is_start = False
            self._is_thought = begun.startswith(opening)
        if self._is_thought and not self._passed(closing):
            return None
        self._is_thought = False
        if not self._passed(self._trigger):
            return None
        rest, self._tail = self._tail, b""
        return rest

    def _passed(self, mark: bytes) -> bool:
        """Cut off all up to the end of ``mark``; where there is none, what can be no part of it."""
        at = self._tail.find(mark)
        if at < 0:
            self._tail = self._tail[max(0, len(self._tail) - len(mark) + 1) :]
            return False
        self._tail = self._tail[at + len(mark) :]
        return True
