"""The bodies of the questions about a model's tokens and its template."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.messages import PromptEnd
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.parameters.messages import chat_turns
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.tools import chat_options
from minerva_desktop.server.schemas.common import RequestModel
from minerva_desktop.server.schemas.tokens import ApplyTemplateRequest

RequestT = TypeVar("RequestT", bound=RequestModel)

_NEUTRAL: NeutralValues = MappingProxyType({"functions": ([],), "function_call": ("none", "auto")})


class TemplateParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt to be rendered, validated. ``headers`` are those of the response that tell what was
    ignored."""

    model: str | None
    turns: tuple[ChatTurn, ...]
    chat: ChatOptions
    end: PromptEnd
    headers: dict[str, str]


def question(body: Mapping[str, Any], schema: type[RequestT]) -> tuple[RequestT, dict[str, str]]:
    """A body without anything to judge, and the headers that tell what was ignored."""
    parser = ParameterParser(body)
    request = parser.validated(schema)
    parser.judge(request, MappingProxyType({}))
    return request, parser.headers()


def template_parameters(
    body: Mapping[str, Any], files: RequestFiles | None = None
) -> TemplateParameters:
    """Raises `InvalidRequest` that names the field."""
    parser = ParameterParser(body, files)
    request = parser.validated(ApplyTemplateRequest)
    parser.judge(request, _NEUTRAL)
    turns = chat_turns(parser, request.messages)
    return TemplateParameters(
        model=request.model,
        turns=turns,
        chat=chat_options(parser, request),
        end=_end(request, turns[-1]),
        headers=parser.headers(),
    )


def _end(request: ApplyTemplateRequest, last: ChatTurn) -> PromptEnd:
    can_go_on = last.role is Role.ASSISTANT and not last.tool_calls
    continues, opens = request.continue_final_message, request.add_generation_prompt
    if continues and not can_go_on:
        raise InvalidRequest(
            "continue_final_message can be true only when the last message is the assistant's",
            param="continue_final_message",
        )
    if continues and opens:
        raise InvalidRequest(
            "continue_final_message and add_generation_prompt exclude each other",
            param="add_generation_prompt",
        )
    if can_go_on and continues is not False and not opens:
        return PromptEnd.GENERATION
    return PromptEnd.CLOSED if opens is False else PromptEnd.OPENED
