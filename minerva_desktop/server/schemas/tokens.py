"""``POST /tokenize``, ``/detokenize`` and ``/apply-template``, in llama-server's field names."""

from __future__ import annotations

import msgspec

from minerva_desktop.server.schemas.chat import ChatFields
from minerva_desktop.server.schemas.common import OptionalModel, RequestModel
from minerva_desktop.server.schemas.inputs import Tokens


class TokenizeRequest(RequestModel):
    """Body of ``POST /tokenize``. ``add_special`` (false): with the tokens that the model wants
    around a text. ``parse_special`` (true): control tokens that are spelled in the text are such.
    ``with_pieces``: with the text of each token."""

    model: OptionalModel = None
    content: str
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None


class DetokenizeRequest(RequestModel):
    """Body of ``POST /detokenize``."""

    model: OptionalModel = None
    tokens: Tokens


class ApplyTemplateRequest(ChatFields):
    """Body of ``POST /apply-template``: what of a chat completion makes the prompt."""

    model: OptionalModel = None


# -- answers -----------------------------------------------------------------------------------


class TokenPiece(msgspec.Struct, frozen=True, gc=False):
    """A token; ``piece`` is its text, or its bytes where they are no whole characters. Garbage is
    not looked for among them: there may be a million."""

    id: int
    piece: str | tuple[int, ...]


class TokenList(msgspec.Struct, frozen=True):
    """Answer to ``POST /tokenize``: ids, or pieces for those who asked for them."""

    tokens: tuple[int | TokenPiece, ...]


class DetokenizedText(msgspec.Struct, frozen=True):
    """Answer to ``POST /detokenize``."""

    content: str


class RenderedPrompt(msgspec.Struct, frozen=True):
    """Answer to ``POST /apply-template``."""

    prompt: str
