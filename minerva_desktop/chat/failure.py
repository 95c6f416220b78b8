"""What kind of error ended an answer. A value, no I/O."""

from __future__ import annotations

import msgspec

MAX_DETAIL = 8_000  # characters; the last lines of a process that died say most


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Enough of a `MinervaError` to offer what helps for as long as the answer is there: its
    ``code`` and its ``param``; ``is_of_budget``: allowing models more memory helps; ``n_tokens``:
    the context that it takes, 0 where that is not known; ``detail``: what an expert wants to read
    of it, at most the last `MAX_DETAIL` characters. That may tell of this machine, so no export
    has it."""

    code: str
    param: str | None = None
    is_of_budget: bool = False
    n_tokens: int = 0
    detail: str = ""
