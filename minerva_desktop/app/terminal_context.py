"""What `minerva chat` says of a context that is too small, and what there is to do. Pure; any
thread."""

from __future__ import annotations

import msgspec

from minerva_desktop.app.context_cutting import larger_context
from minerva_desktop.errors import ContextLimitExceeded

_NEW_CHAT = "end this chat with Ctrl+D and begin a new one"


class TerminalContext(msgspec.Struct, frozen=True, kw_only=True):
    """The context of a chat in a terminal: ``n_ctx`` tokens, of a model that makes sense of
    ``longest`` (0: not known), for it was ``trained`` so (see `library.context_reach.training`).
    ``is_one_answer``: no chat comes of it that could be begun anew."""

    n_ctx: int
    longest: int
    trained: str
    is_one_answer: bool

    def refused(self, error: ContextLimitExceeded, n_alone: int | None) -> ContextLimitExceeded:
        """``error`` of a message, with what helps. ``n_alone``: the tokens that a new chat would
        need for it; None: this one is new."""
        n_tokens = error.required or self.n_ctx
        what = "prompt" if self.is_one_answer else "message"
        ways = [f"shorten the {what}"]
        if n_alone is not None and n_alone <= self.n_ctx:
            ways.append(_NEW_CHAT)
        sentences = _sentences(ways, self._longer(n_tokens, n_alone or n_tokens))
        message = f"{error.told} tokens. {sentences}"
        return ContextLimitExceeded(message, detail=error.detail, param=error.param)

    def filled(self) -> str:
        """Of an answer that the end of the context cut off."""
        ways = [] if self.is_one_answer else [_NEW_CHAT]
        sentences = _sentences(ways, self._longer(self.n_ctx + 1, self.n_ctx + 1))
        return f"the answer ends here because the context of {self.n_ctx:,} tokens is full. " + (
            sentences or f"The model was {self.trained}."
        )

    def _longer(self, n_tokens: int, least: int) -> str:
        """How to have ``n_tokens``, or more than now and at ``least`` so many; nothing where the
        model makes no sense of them."""
        n_ctx = larger_context(n_tokens, self.longest)
        if n_ctx <= self.n_ctx or n_ctx < least:
            return ""
        why = f"which the memory has to allow (the model was {self.trained})"
        return f"start with --n-ctx {n_ctx}, {why}"


def _sentences(ways: list[str], longer: str) -> str:
    every = [*ways, longer] if longer else ways
    if not every:
        return ""
    last = every.pop()
    words = f"{', '.join(every)}, or {last}" if every else last
    return f"{words[0].upper()}{words[1:]}."
