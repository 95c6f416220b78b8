"""``POST /tokenize``, ``/detokenize`` and ``/apply-template``: what a model makes of a text.

They load the model that they ask, as all endpoints do. They are not in the list of requests: some
clients send one at each key that is pressed, and those that generate would not be seen for them.
But they count among those that may wait for models to load.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from minerva_desktop.chat.limits import Asked
from minerva_desktop.engine.messages import Tokenized
from minerva_desktop.server.errors import json_response
from minerva_desktop.server.model_choice import chosen_model, leased
from minerva_desktop.server.parameters.tokens import question, template_parameters
from minerva_desktop.server.request_files import read_parameters
from minerva_desktop.server.request_info import request_info
from minerva_desktop.server.schemas.tokens import (
    DetokenizedText,
    DetokenizeRequest,
    RenderedPrompt,
    TokenizeRequest,
    TokenPiece,
)
from minerva_desktop.server.services import Engine, ServerContext

TOKENS_AT_ONCE = 10_000
# About how much JSON comes of a byte of packed tokens, alone and with their pieces.
TOKENS_GROW, PIECES_GROW = 2, 9
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)


def tokens_router(context: ServerContext) -> APIRouter:
    """The routes, on the models of the catalog, loaded by the pool."""
    lifetime = context.lifetime
    router = APIRouter()

    @router.post("/tokenize")
    async def tokenize(request: Request) -> Response:
        read = context.bodies.read(request, lambda body: question(body, TokenizeRequest))
        asked, headers = await lifetime.run(read)

        async def ask(engine: Engine) -> Tokenized:
            return await engine.tokenize(
                asked.content,
                add_special=bool(asked.add_special),
                parse_special=asked.parse_special is not False,
            )

        found = await _answer(context, request, asked.model, ask)
        written = context.bodies.compute(
            lambda: _token_list(found, with_pieces=bool(asked.with_pieces)),
            len(found.packed_tokens) * (PIECES_GROW if asked.with_pieces else TOKENS_GROW),
        )
        return _sliced(await lifetime.run(written, request.receive), headers)

    @router.post("/detokenize")
    async def detokenize(request: Request) -> Response:
        read = context.bodies.read(request, lambda body: question(body, DetokenizeRequest))
        asked, headers = await lifetime.run(read)

        async def ask(engine: Engine) -> DetokenizedText:
            return DetokenizedText(await engine.detokenize(asked.tokens))

        return json_response(await _answer(context, request, asked.model, ask), headers=headers)

    @router.post("/apply-template")
    async def apply_template(request: Request) -> Response:
        asked = await read_parameters(context, request, template_parameters)

        async def ask(engine: Engine) -> RenderedPrompt:
            return RenderedPrompt(
                await engine.apply_template(asked.turns, chat=asked.chat, end=asked.end)
            )

        answer = await _answer(context, request, asked.model, ask)
        return json_response(answer, headers=asked.headers)

    return router


async def _answer(
    context: ServerContext,
    request: Request,
    name: str | None,
    ask: Callable[[Engine], Awaitable[AnswerT]],
) -> AnswerT:
    """What the engine of the named or chosen model answers to ``ask``; given up when the client
    goes away. Raises what loading and asking raise."""
    model = await chosen_model(context, name, embeds=None)
    request_info(request.scope).model = model.model_id

    async def work() -> AnswerT:
        limit_s = context.config.request_timeout_s
        async with AsyncExitStack() as held:
            with context.activity.wait_unlisted():
                lease = leased(context, model, limit_s, request.scope, Asked.TOKENS)
                engine = await held.enter_async_context(lease)
            return await ask(engine)

    return await context.lifetime.run(work(), request.receive)


def _token_list(found: Tokenized, *, with_pieces: bool) -> list[bytes]:
    """A `TokenList` in slices: to write a million in one go would keep all other threads out, and
    so would to put the slices together, or to hand them to a connection in one: a tenth of a second
    for 60 MB."""
    written = [b'{"tokens":[']
    for tokens, pieces in found.unpacked(TOKENS_AT_ONCE):
        some: Sequence[int | TokenPiece] = tokens
        if with_pieces:
            pairs = zip(tokens, pieces, strict=True)
            some = [TokenPiece(token, _shown(piece)) for token, piece in pairs]
        comma = b"," if len(written) > 1 else b""
        written.append(comma + msgspec.json.encode(some)[1:-1])
    written.append(b"]}")
    return written


def _sliced(slices: Sequence[bytes], headers: dict[str, str]) -> Response:
    """JSON that its client reads as one body."""
    n_bytes = sum(map(len, slices))
    return StreamingResponse(
        _each(slices),
        headers={**headers, "content-length": str(n_bytes)},
        media_type="application/json",
    )


async def _each(slices: Iterable[bytes]) -> AsyncIterator[bytes]:
    for each in slices:
        yield each


def _shown(piece: bytes) -> str | tuple[int, ...]:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return tuple(piece)
