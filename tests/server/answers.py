"""Answers as a generation tells of them, and streams of named events as clients get them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, PromptToken, TokenLogprob
from minerva_desktop.engine.answer_parser import AnswerPart
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.server.generation_events import Ended, Said
from tests.server.fake_models import COMPLETION


def said(*parts: AnswerPart, logprob: TokenLogprob | None = None) -> Said:
    """One step of the only choice."""
    return Said(0, parts, 1, () if logprob is None else (logprob,))


def ended(
    reason: str = "stop", *, completion: Completion = COMPLETION, n_reasoning: int = 0
) -> Ended:
    """The end of the only choice."""
    return Ended(0, completion, reason, n_reasoning)


def completion(reason: FinishReason, **fields: Any) -> Completion:
    """The usual numbers with another end."""
    return msgspec.structs.replace(COMPLETION, finish_reason=reason, **fields)


def named_events(stream: str | bytes) -> list[dict[str, Any]]:
    """The values of a stream's events, whose names are their types. Comments are left out."""
    text = stream.decode() if isinstance(stream, bytes) else stream
    assert not text or text.endswith("\n\n")
    values = []
    for event in text.split("\n\n")[:-1]:
        if event.startswith(":"):
            continue
        name, data = event.split("\n")
        value: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        values.append(value)
    return values


def with_scores(stream: TokenStream) -> None:
    """ "a€" as a prompt of three tokens behind one that the tokeniser put first, and an answer."""

    def token(piece: bytes, value: float, *top: TokenLogprob) -> PromptToken:
        return PromptToken(token=1, piece=piece, text=piece, logprob=value, top=top)

    likely = TokenLogprob(token=2, piece=b"b", logprob=-0.25)
    stream.push_prompt([PromptToken(token=0, piece=b"<s>", text=b""), token(b"a", -1.0, likely)])
    stream.report_prefill(2, 4)
    stream.push_prompt([token(b"\xe2\x82", -2.0, likely), token(b"\xac", -3.0, likely)])
    stream.push_token("c", TokenLogprob(token=3, piece=b"c", logprob=-0.5, top=(likely,)))
    stream.finish(COMPLETION)
