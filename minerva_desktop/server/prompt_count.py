"""How many tokens a prompt has, for the dialects that count. Asyncio loop of the endpoint."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.model_choice import leased
from minerva_desktop.server.services import ServerContext


async def prompt_count(
    context: ServerContext,
    scope: MutableMapping[str, Any],
    model: ModelFile,
    turns: Sequence[ChatTurn],
    chat: ChatOptions,
    *,
    dialect: str,
) -> int:
    """Tokens of the prompt that ``turns`` make, by the model's own template; ``scope`` is the HTTP
    request's, for the list of requests. Raises what loading and asking raise."""
    with context.activity.begin(scope, dialect=dialect, model=model.model_id, is_stream=False):
        limit_s = context.config.request_timeout_s
        async with leased(context.pool, model, limit_s) as engine:
            return await engine.count_tokens(turns, chat=chat)
