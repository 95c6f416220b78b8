"""The bodies of completions, embeddings and the questions about tokens: taken, refused, named."""

from __future__ import annotations

from typing import Any

import pytest

from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.messages import PromptEnd
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.completions import (
    CompletionParameters,
    completion_parameters,
)
from minerva_desktop.server.parameters.embeddings import EmbeddingParameters, embedding_parameters
from minerva_desktop.server.parameters.sampling import RunParameters
from minerva_desktop.server.parameters.tokens import question, template_parameters
from minerva_desktop.server.schemas.tokens import DetokenizeRequest, TokenizeRequest


def complete(**fields: object) -> CompletionParameters:
    return completion_parameters({"model": "m", "prompt": "Hi", **fields}, 12.5)


def embed(**fields: object) -> EmbeddingParameters:
    return embedding_parameters({"model": "m", "input": "Hi", **fields})


def test_a_bare_completion() -> None:
    parameters = complete()
    assert parameters.prompts == ("Hi",)
    assert parameters.sampling == SamplingParameters(max_tokens=16)
    assert parameters.run == RunParameters(limits=RequestLimits(total_seconds=12.5))
    assert (parameters.suffix, parameters.echo, parameters.stream) == (None, False, False)
    assert parameters.headers == {}


def test_the_length_of_a_completion() -> None:
    assert complete(max_tokens=-1).sampling.max_tokens is None
    assert complete(n_predict=-1).sampling.max_tokens is None
    assert complete(n_predict=5).sampling.max_tokens == 5
    assert complete(max_completion_tokens=5, max_tokens=5).sampling.max_tokens == 5


def test_a_completion_takes_all_samplers_and_says_how_it_is_run() -> None:
    parameters = complete(
        top_k=3,
        repetition_penalty=1.5,
        stop="END",
        logit_bias={"5": 2},
        grammar='root ::= "a"',
        mirostat=0,
        n=2,
        best_of=2,
        cache_prompt=False,
        return_progress=True,
        logprobs=5,
        user="me",
        response_format={"type": "text"},
    )
    assert parameters.sampling == SamplingParameters(
        max_tokens=16,
        top_k=3,
        repeat_penalty=1.5,
        stop=("END",),
        logit_bias={5: 2.0},
        grammar='root ::= "a"',
        top_logprobs=5,
    )
    assert (parameters.run.n, parameters.run.cache_prompt) == (2, False)
    assert parameters.run.return_progress
    assert parameters.headers == {}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": 5}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": [[1], []]}, "prompt[1]"),
        ({"prompt": ["a", 5]}, "prompt[1]"),
        ({"prompt": ["a", [5]]}, "prompt[1]"),
        ({"prompt": [5, "a"]}, "prompt[1]"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": [2**31]}, "prompt[0]"),
        ({"prompt": [1.0]}, "prompt[0]"),
        ({"prompt": [[1, "a"]]}, "prompt[0][1]"),
        ({"prompt": [[1], "a"]}, "prompt[1]"),
        ({"prompt": [{"prompt_string": "a"}]}, "prompt[0]"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "prompt"),
        ({"suffix": 5}, "suffix"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 0, "n_predict": 1}, "n_predict"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"echo": True, "logprobs": 0, "suffix": "x"}, "suffix"),
        ({"echo": "yes"}, "echo"),
        ({"temperature": 9}, "temperature"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_a_wrong_value_of_a_completion_is_refused_by_name(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        complete(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}]}, "messages"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"n_probs": 3}, "n_probs"),
        ({"n_cmpl": 2}, "n_cmpl"),
        ({"input_suffix": "x"}, "input_suffix"),
    ],
)
def test_what_a_completion_cannot_honour_is_refused_by_name(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        complete(**fields)
    assert caught.value.param == param


def test_a_completion_without_a_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^prompt is required$") as caught:
        completion_parameters({"model": "m"}, None)
    assert caught.value.param == "prompt"


def test_a_huge_wrong_prompt_is_refused_at_the_first_item() -> None:
    for prompt in ([5, *["a"] * 2_000_000], ["a", *[5] * 2_000_000], [[5], *["a"] * 2_000_000]):
        with pytest.raises(InvalidRequest) as caught:
            complete(prompt=prompt)
        assert caught.value.param == "prompt[1]"


def test_a_bare_request_for_embeddings() -> None:
    parameters = embed()
    assert parameters.inputs == ("Hi",)
    assert (parameters.is_base64, parameters.dimensions, parameters.normalize) == (
        False,
        None,
        True,
    )
    assert embed(input=[[1, 2], [3]]).inputs == ((1, 2), (3,))
    assert embed(input=[1, 2]).inputs == ((1, 2),)
    assert len(embed(input=["a"] * 2048).inputs) == 2048
    assert not embed(embd_normalize=-1).normalize
    assert embed(encoding_format="base64").is_base64


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [["a"]]}, "input[0][0]"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": 5}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1.5}, "dimensions"),
        ({"embd_normalize": 0}, "embd_normalize"),
        ({"truncate": "END"}, "truncate"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
    ],
)
def test_a_wrong_value_for_embeddings_is_refused_by_name(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        embed(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


def test_unknown_fields_of_embeddings_are_named() -> None:
    assert embed(zap=1, user="me").headers == {"X-Minerva-Ignored-Fields": "zap"}


def test_questions_about_tokens() -> None:
    asked, headers = question({"content": "a", "temperature": 1}, TokenizeRequest)
    assert (asked.model, asked.content, asked.add_special) == (None, "a", None)
    assert headers == {"X-Minerva-Ignored-Fields": "temperature"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "content"),
        ({"content": [1, "a"]}, "content"),
        ({"content": "a", "with_pieces": 1}, "with_pieces"),
        ({"content": "a", "model": "m" * 513}, "model"),
    ]
    for body, param in wrong:
        with pytest.raises(InvalidRequest) as caught:
            question(body, TokenizeRequest)
        assert caught.value.param == param
    for tokens in (None, "a", [1.5], [-1], [True], 5):
        with pytest.raises(InvalidRequest) as caught:
            question({"tokens": tokens}, DetokenizeRequest)
        assert caught.value.param in ("tokens", "tokens[0]")


@pytest.mark.parametrize(
    ("last", "fields", "end"),
    [
        ("user", {}, PromptEnd.OPENED),
        ("user", {"add_generation_prompt": False}, PromptEnd.CLOSED),
        ("user", {"continue_final_message": False}, PromptEnd.OPENED),
        ("assistant", {}, PromptEnd.GENERATION),
        ("assistant", {"add_generation_prompt": False}, PromptEnd.GENERATION),
        ("assistant", {"add_generation_prompt": True}, PromptEnd.OPENED),
        ("assistant", {"continue_final_message": False}, PromptEnd.OPENED),
        (
            "assistant",
            {"continue_final_message": False, "add_generation_prompt": False},
            PromptEnd.CLOSED,
        ),
    ],
)
def test_how_a_rendered_prompt_ends(last: str, fields: dict[str, bool], end: PromptEnd) -> None:
    body = {"messages": [{"role": last, "content": "x"}], **fields}
    assert template_parameters(body).end is end


def test_a_prompt_to_be_rendered() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    parameters = template_parameters(
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "tools": tools,
            "chat_template_kwargs": {"enable_thinking": False},
            "temperature": 1,
        }
    )
    assert parameters.turns == (ChatTurn(Role.USER, "Hi"),)
    assert [tool.name for tool in parameters.chat.tools] == ["f"]
    assert parameters.chat.variables == '{"enable_thinking": false}'
    assert (parameters.model, parameters.headers) == (
        None,
        {"X-Minerva-Ignored-Fields": "temperature"},
    )
    for body, param in (
        (
            {"messages": [{"role": "user", "content": "x"}], "continue_final_message": True},
            "continue_final_message",
        ),
        (
            {
                "messages": [{"role": "assistant", "content": "x"}],
                "continue_final_message": True,
                "add_generation_prompt": True,
            },
            "add_generation_prompt",
        ),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": "x"}], "tool_choice": "required"},
            "tool_choice",
        ),
    ):
        with pytest.raises(InvalidRequest) as caught:
            template_parameters(body)
        assert caught.value.param == param
