"""Reads the parameters of requests that may bring files: parsed, and if there are files parsed
again with what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Protocol, TypeVar

from fastapi import Request

from minerva_desktop.chat.limits import Asked
from minerva_desktop.errors import GenerationTimeout
from minerva_desktop.server.model_choice import described_model
from minerva_desktop.server.parameters.files import GivenFile, RequestFiles
from minerva_desktop.server.request_info import request_info
from minerva_desktop.server.services import ServerContext


class ForModel(Protocol):
    """Parameters that may name the model they are for."""

    @property
    def model(self) -> str | None:
        """Its name."""


ParametersT = TypeVar("ParametersT", bound=ForModel)
ParametersT_co = TypeVar("ParametersT_co", bound=ForModel, covariant=True)


class Parse(Protocol[ParametersT_co]):
    """Makes parameters of a request's body; raises `InvalidRequest` that names the field."""

    def __call__(self, body: Mapping[str, Any], *, files: RequestFiles) -> ParametersT_co:
        """``files``: those of the request, with their text as far as it is known."""


async def read_parameters(
    context: ServerContext, request: Request, parse: Parse[ParametersT]
) -> ParametersT:
    """What ``parse`` makes of the body of ``request``, with the text of its files. Given up when
    the client goes away while they are read; meanwhile they count among the requests that wait for
    their model. Raises what reading the body, ``parse``, `described_model` and `FileReader.texts`
    raise, `QueueFull`, and `GenerationTimeout` where the files take longer than a request may."""
    found = RequestFiles()

    def first(body: dict[str, Any]) -> tuple[ParametersT, dict[str, Any]]:
        return parse(body, files=found), body

    parameters, body = await context.lifetime.run(context.bodies.read(request, first))
    if not found.unread:
        return parameters
    info = request_info(request.scope)
    began = perf_counter()
    read = _texts(context, parameters.model, found.unread)
    texts = await context.lifetime.run(read, request.receive)
    info.files_s = perf_counter() - began
    n_bytes = info.body_bytes + sum(map(len, texts.values()))
    return await context.bodies.compute(lambda: parse(body, files=RequestFiles(texts)), n_bytes)


async def _texts(
    context: ServerContext, name: str | None, files: list[GivenFile]
) -> dict[str, str]:
    seconds = context.config.request_timeout_s
    model = await described_model(context, name)
    try:
        with context.activity.wait_unlisted(), context.activity.using(model.path):
            async with asyncio.timeout(seconds):
                return await context.files.texts(files)
    except TimeoutError:
        raise GenerationTimeout(
            f"{Asked.ANSWER} timed out: it may take {seconds:g} s, and its files were not read"
            " by then"
        ) from None
