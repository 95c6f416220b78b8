"""How many tokens a conversation has, for the endpoints that are asked before it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request

from minerva_desktop.chat.limits import Asked
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.server.model_choice import chosen_model, leased
from minerva_desktop.server.services import ServerContext


async def count_prompt(
    context: ServerContext,
    request: Request,
    name: str | None,
    turns: Sequence[ChatTurn],
    chat: ChatOptions,
    *,
    dialect: str,
) -> int:
    """Tokens of ``turns``, as the named or chosen model's template writes them; given up when the
    client goes away. Raises what loading and rendering raise."""

    async def work() -> int:
        model = await chosen_model(context, name)
        with context.activity.begin(
            request.scope, dialect=dialect, model=model.model_id, is_stream=False
        ) as active:
            limit_s = context.config.request_timeout_s
            lease = leased(context, model, limit_s, request.scope, Asked.TOKENS)
            async with lease as engine:
                active.follow()
                return await engine.count_tokens(turns, chat=chat)

    return await context.lifetime.run(work(), request.receive)
