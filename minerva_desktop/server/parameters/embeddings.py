"""The body of a request for embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.complaints import must_be_one_of
from minerva_desktop.server.parameters.inputs import Input, check_count, inputs
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.sampling import WITHOUT_EFFECT
from minerva_desktop.server.schemas.embeddings import ENCODING_FORMATS, MAX_INPUTS, EmbeddingRequest

NORMALIZED, AS_THEY_ARE = 2, -1  # llama-server's numbers
_NEUTRAL: NeutralValues = MappingProxyType(
    {
        "content": (),
        "embedding_types": (),
        "instructions": ("",),
        "keep_alive": (),
        "messages": (),
        "output_dimension": (),
        "truncate": ("NONE", False),
        "truncate_prompt_tokens": (),
        "ttl": (),
    }
)


class EmbeddingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A request for embeddings, validated. ``dimensions`` None: as many as the model has.
    ``headers`` are those of the response that tell what was ignored."""

    model: str | None
    inputs: tuple[Input, ...]
    is_base64: bool
    dimensions: int | None
    normalize: bool
    headers: dict[str, str]


def embedding_parameters(body: Mapping[str, Any]) -> EmbeddingParameters:
    """Raises `InvalidRequest` that names the field."""
    parser = ParameterParser(body)
    request = parser.validated(EmbeddingRequest)
    parser.judge(request, _NEUTRAL, without_effect=WITHOUT_EFFECT)
    found = inputs(request.input, "input")
    check_count(found, MAX_INPUTS, "input")
    empty = next((index for index, item in enumerate(found) if not item), None)
    if empty is not None:
        name = "input" if isinstance(request.input, str) else f"input[{empty}]"
        raise InvalidRequest(f"{name} is empty", param=name)
    if request.dimensions is not None and request.dimensions < 1:
        raise InvalidRequest(
            f"dimensions must be at least 1, not {request.dimensions}", param="dimensions"
        )
    return EmbeddingParameters(
        model=request.model,
        inputs=found,
        is_base64=_is_base64(request.encoding_format),
        dimensions=request.dimensions,
        normalize=_normalizes(request.embd_normalize),
        headers=parser.headers(),
    )


def _is_base64(encoding_format: str | None) -> bool:
    if encoding_format not in (None, *ENCODING_FORMATS):
        raise must_be_one_of("encoding_format", ENCODING_FORMATS, encoding_format)
    return encoding_format == "base64"


def _normalizes(embd_normalize: int | None) -> bool:
    if embd_normalize not in (None, NORMALIZED, AS_THEY_ARE):
        raise InvalidRequest(
            f"embd_normalize must be {NORMALIZED} or {AS_THEY_ARE}", param="embd_normalize"
        )
    return embd_normalize != AS_THEY_ARE
