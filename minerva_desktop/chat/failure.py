"""What kind of error ended an answer. A value, no I/O."""

from __future__ import annotations

import msgspec


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Enough of a `MinervaError` to offer what helps for as long as the answer is there: its
    ``code`` and its ``param``; ``is_of_budget``: allowing models more memory helps. What an expert
    wants to read of it is not kept: it may be long, and an export would tell of this machine."""

    code: str
    param: str | None = None
    is_of_budget: bool = False
