"""Parameters of requests that bring files: parsed, and parsed again with what is in the files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request

from minerva_desktop.errors import GenerationTimeout
from minerva_desktop.server.model_choice import TIMED_OUT
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.services import ServerContext

ParametersT = TypeVar("ParametersT")


async def with_files(
    context: ServerContext,
    request: Request,
    parse: Callable[[dict[str, Any], RequestFiles], ParametersT],
) -> ParametersT:
    """What ``parse`` makes of a request's body, with the text of its files, which count among the
    requests that wait; given up when the client goes away. Raises what `BodyReader.read`, ``parse``
    and `FileReader.texts` raise, `QueueFull`, and `GenerationTimeout` where reading takes longer
    than a request may."""
    found = RequestFiles()

    def first(body: dict[str, Any]) -> tuple[ParametersT, dict[str, Any]]:
        return parse(body, found), body

    parameters, body = await context.lifetime.run(context.bodies.read(request, first))
    if not found.unread:
        return parameters
    seconds = context.config.request_timeout_s

    async def read() -> dict[str, str]:
        with context.activity.wait_unlisted():
            async with asyncio.timeout(seconds):
                return await context.files.texts(found.unread)

    try:
        texts = await context.lifetime.run(read(), request.receive)
    except TimeoutError:
        raise GenerationTimeout(
            f"{TIMED_OUT}: it may take {seconds:g} s, and its files were not read by then"
        ) from None
    return await context.bodies.compute(lambda: parse(body, RequestFiles(texts)))
