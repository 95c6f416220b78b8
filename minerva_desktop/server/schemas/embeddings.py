"""``POST /v1/embeddings``: its body and its answer. Field names are the OpenAI API's."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from minerva_desktop.server.schemas.common import (
    Int64,
    OptionalModel,
    RequestModel,
    number_from,
    word_of,
)
from minerva_desktop.server.schemas.inputs import Inputs

ENCODING_FORMATS = ("float", "base64")
MAX_INPUTS = 2048  # OpenAI's bound


class EmbeddingRequest(RequestModel):
    """Body of ``POST /v1/embeddings``: the fields that are obeyed."""

    model: OptionalModel = None
    input: Annotated[
        Inputs,
        Field(
            description="A text, a list of token ids, or a list of either: a vector for each, in "
            f"their order; at most {MAX_INPUTS:,}."
        ),
    ]
    encoding_format: Annotated[
        Annotated[str, word_of(ENCODING_FORMATS)] | None,
        Field(description="`float` (the default), or `base64` of little-endian 32-bit floats."),
    ] = None
    dimensions: Annotated[
        Int64 | None,
        number_from(1),
        Field(
            description="Keep so many numbers of each vector and scale it to length 1 again. The "
            "result is only good with models that were trained for it (Matryoshka embeddings); "
            "no file says whether one was."
        ),
    ] = None
    embd_normalize: Annotated[
        Int64 | None,
        Field(description="2 (the default) scales vectors to length 1, -1 leaves them alone."),
    ] = None


# -- answers -----------------------------------------------------------------------------------


class EmbeddingObject(msgspec.Struct, frozen=True, kw_only=True):
    """One vector: numbers, or the base64 of their bytes."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """Tokens of all inputs together."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; ``data`` are `EmbeddingObject` values, encoded."""

    object: Literal["list"] = "list"
    data: tuple[msgspec.Raw, ...]
    model: str
    usage: EmbeddingUsage
