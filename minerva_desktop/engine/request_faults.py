"""What is wrong with a request that cannot be written to the engine child. Pure Python."""

from __future__ import annotations

import msgspec

from minerva_desktop.engine.messages import Embed, Generate, Request
from minerva_desktop.errors import InvalidRequest

# What those who ask call the fields whose names here are others.
_NAMES = {
    (Generate, "text"): "prompt",
    (Generate, "tokens"): "prompt",
    (Embed, "inputs"): "input",
}
# Those who ask know the fields in these by their own names.
_INNER = frozenset({"sampling", "limits", "chat", "options"})


def unsendable(request: Request, error: UnicodeEncodeError | OverflowError) -> InvalidRequest:
    """The refusal of ``request``, of which MessagePack said ``error``."""
    name = _blamed(request) or "the request"
    if isinstance(error, UnicodeEncodeError):
        return InvalidRequest(f"{name} holds half a character (a lone surrogate)", param=name)
    return InvalidRequest(f"{name} holds a whole number that 64 bits cannot hold", param=name)


def _blamed(struct: msgspec.Struct) -> str | None:
    """The field that cannot be written."""
    for field in struct.__struct_fields__:
        value = getattr(struct, field)
        try:
            msgspec.msgpack.encode(value)
        except (UnicodeEncodeError, OverflowError):
            if field in _INNER and isinstance(value, msgspec.Struct):
                return _blamed(value)
            return _NAMES.get((type(struct), field), field)
    return None
