"""What `minerva chat` says of a context that is too small, and what there is to do. Pure; any
thread."""

from __future__ import annotations

import msgspec

from minerva_desktop.app.context_cutting import larger_context
from minerva_desktop.errors import ContextLimitExceeded

_NEW_CHAT = "end this chat with Ctrl+D and begin a new one"


class TerminalContext(msgspec.Struct, frozen=True, kw_only=True):
    """The context of a chat in a terminal: ``n_ctx`` tokens, of a model that was trained for
    ``n_ctx_train``. ``is_one_answer``: no chat comes of it that could be begun anew."""

    n_ctx: int
    n_ctx_train: int
    is_one_answer: bool

    def refused(self, error: ContextLimitExceeded, *, is_begun: bool) -> ContextLimitExceeded:
        """``error`` of a message, with what helps. ``is_begun``: others are before it."""
        n_tokens = error.required or self.n_ctx
        what = "prompt" if self.is_one_answer else "message"
        ways = [f"shorten the {what}"]
        if is_begun:
            ways.append(_NEW_CHAT)
        sentences = _sentences(ways, self._longer(n_tokens, is_begun=is_begun))
        message = f"{error.message} tokens. {sentences}"
        return ContextLimitExceeded(message, detail=error.detail, param=error.param)

    def filled(self) -> str:
        """Of an answer that the end of the context cut off."""
        ways = [] if self.is_one_answer else [_NEW_CHAT]
        sentences = _sentences(ways, self._longer(self.n_ctx + 1, is_begun=True))
        return f"the answer ends here because the context of {self.n_ctx:,} tokens is full. " + (
            sentences or f"The model was trained for {self.n_ctx_train:,}."
        )

    def _longer(self, n_tokens: int, *, is_begun: bool) -> str:
        """How to have ``n_tokens``, or more than now for a chat that goes on; nothing where the
        model was not trained for so many."""
        n_ctx = larger_context(n_tokens, self.n_ctx_train)
        if n_ctx <= self.n_ctx or (n_ctx < n_tokens and not is_begun):
            return ""
        why = f"which the memory has to allow (the model was trained for {self.n_ctx_train:,})"
        return f"start with --n-ctx {n_ctx}, {why}"


def _sentences(ways: list[str], longer: str) -> str:
    every = [*ways, longer] if longer else ways
    if not every:
        return ""
    last = every.pop()
    words = f"{', '.join(every)}, or {last}" if every else last
    return f"{words[0].upper()}{words[1:]}."
