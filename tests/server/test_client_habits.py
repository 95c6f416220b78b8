"""What clients send without being asked to: OpenAI's own, LangChain, LiteLLM, LlamaIndex."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.errors import ModelUnloaded
from minerva_desktop.server.parameters.parser import IGNORED_FIELDS_HEADER
from tests.server.fake_models import MODEL, chat_body, fails, serving

CHAT = "/v1/chat/completions"
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "ok"}
USER = {"role": "user", "content": "x"}

NOTHING_ASKED: tuple[dict[str, Any], ...] = (
    {"max_tokens": None, "max_completion_tokens": None, "n": None, "seed": None, "stop": None},
    {"temperature": None, "top_p": None, "logit_bias": None, "logprobs": None, "user": None},
    {"presence_penalty": 0, "frequency_penalty": 0, "n": 1, "logit_bias": {}, "stop": []},
    {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
    {"tools": None, "tool_choice": None, "parallel_tool_calls": None},
    {"tool_choice": "none"},
    {"functions": [], "function_call": "auto"},
    {"functions": None, "function_call": None},
    {"response_format": {"type": "text"}, "stream": False, "stream_options": None},
    {"response_format": None, "modalities": ["text"], "audio": None, "prediction": None},
    {"store": False, "service_tier": "auto", "metadata": {"a": "b"}, "reasoning_effort": None},
    {"logprobs": False, "top_logprobs": 0, "verbosity": "medium", "prompt_cache_key": "k"},
    {"safety_identifier": "s", "prompt_cache_retention": None, "web_search_options": None},
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT]},
    {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, RESULT]},
    {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": "Yes",
                "tool_calls": [],
                "function_call": None,
                "refusal": None,
                "audio": None,
                "annotations": [],
            },
            {"role": "user", "content": [{"type": "text", "text": "x"}], "name": "bob"},
        ]
    },
    {"messages": [USER, {"role": "assistant", "content": "Yes", "reasoning": "Hm"}, USER]},
    {"response_format": {"type": "json_schema", "schema": {"type": "object"}}},
    {"stop_token_ids": [], "bad_words": [], "guided_json": None},
)
ASKED_TOO_MUCH: tuple[tuple[dict[str, Any], str], ...] = (
    ({"tool_choice": "required"}, "tool_choice"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"verbosity": "low"}, "verbosity"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"guided_json": {"type": "object"}}, "guided_json"),
    ({"structured_outputs": {"json": {}}}, "structured_outputs"),
    ({"regex": "[ab]{3}"}, "regex"),
    ({"ebnf": 'root ::= "a"'}, "ebnf"),
    ({"stop_token_ids": [2]}, "stop_token_ids"),
    ({"n": 1000}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    ({"messages": [{**USER, "reasoning": "Hm"}]}, "messages[0].reasoning"),
    (
        {"messages": [{"role": "assistant", "reasoning": "a", "reasoning_content": "b"}]},
        "messages[0].reasoning",
    ),
    (
        {"messages": [{**USER, "role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
    ),
)


@pytest.mark.parametrize("fields", NOTHING_ASKED)
async def test_fields_that_ask_for_nothing_are_taken_in_silence(fields: dict[str, Any]) -> None:
    async with serving() as served:
        answer = await served.http.post(CHAT, json=chat_body(**fields))
    assert answer.status_code == 200, answer.text
    assert IGNORED_FIELDS_HEADER not in answer.headers
    assert answer.json()["choices"][0]["message"]["content"] == "Hello, world"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (CHAT, {"messages": [USER]}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/completions", {"prompt": "x"}),
    ],
)
async def test_what_is_to_be_kept_is_answered_and_not_kept(
    path: str, asked: dict[str, Any]
) -> None:
    """Some clients always send it, for OpenAI's responses are kept where nothing is said of it."""
    async with serving() as served:
        answer = await served.http.post(path, json={"store": True, **asked})
    assert answer.status_code == 200, answer.text
    assert answer.headers[IGNORED_FIELDS_HEADER] == "store"
    assert answer.json().get("store", False) is False


@pytest.mark.parametrize(("fields", "param"), ASKED_TOO_MUCH)
async def test_fields_that_cannot_be_honoured_are_refused_by_name(
    fields: dict[str, Any], param: str
) -> None:
    async with serving() as served:
        answer = await served.http.post(CHAT, json=chat_body(**fields))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("fields", "instead"),
    [
        ({"keep_alive": "5m"}, "keep_alive is not supported: how long an idle model stays loaded"),
        ({"ttl": 300}, "ttl is not supported: how long an idle model stays loaded"),
        ({"num_ctx": 4096}, "num_ctx is not supported: the context is chosen when a model is load"),
        (
            {"thinking_budget_tokens": 0},
            "thinking_budget_tokens is not supported, except as -1: enable_thinking false in",
        ),
        ({"regex": "[ab]"}, "regex is not supported: grammar, in llama.cpp's GBNF, tells what"),
        ({"guided_json": {}}, "guided_json is not supported: json_schema takes a JSON schema"),
        ({"verbosity": "low"}, 'verbosity is not supported, except as "medium": say in the mess'),
    ],
)
async def test_a_refusal_says_where_else_that_is_to_be_had(
    fields: dict[str, Any], instead: str
) -> None:
    async with serving() as served:
        answer = await served.http.post(CHAT, json=chat_body(**fields))
    assert answer.json()["error"]["message"].startswith(instead)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (CHAT, {"messages": [USER]}),
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/messages", {"messages": [USER], "max_tokens": 9}),
    ],
)
async def test_what_a_refusal_names_instead_is_taken_there(
    path: str, asked: dict[str, Any]
) -> None:
    async with serving() as served:
        refused = await served.http.post(path, json={**asked, "guided_json": {"type": "null"}})
        instead = refused.json()["error"]["message"].partition(": ")[2].partition(" ")[0]
        answer = await served.http.post(path, json={**asked, instead: {"type": "null"}})
    assert (refused.status_code, answer.status_code) == (400, 200)
    assert IGNORED_FIELDS_HEADER not in answer.headers
    (sampling,) = served.engine.samplings
    assert sampling is not None
    assert sampling.json_schema == '{"type": "null"}'


async def test_a_train_of_thought_by_its_other_name_reaches_the_prompt() -> None:
    thought = {"role": "assistant", "content": "Yes", "reasoning": "Hm"}
    async with serving() as served:
        for message in (thought, {**thought, "reasoning_content": "Hm"}):
            asked = await served.http.post(CHAT, json=chat_body(messages=[USER, message, USER]))
            assert asked.status_code == 200, asked.text
    for prompt in served.engine.prompts:
        turn = prompt[1]
        assert isinstance(turn, ChatTurn)
        assert turn.reasoning == "Hm"


async def test_embeddings_as_openais_client_asks_for_them() -> None:
    """It wants base64 unless told otherwise, and LangChain's sends it tokens."""
    async with serving() as served, served.openai() as client:
        texts = await client.embeddings.create(model=MODEL.model_id, input=["a", "b"])
        tokens = await client.embeddings.create(model=MODEL.model_id, input=[[1, 2], [3]])
    assert [len(each.embedding) for each in (*texts.data, *tokens.data)] == [2, 2, 2, 2]
    assert all(isinstance(each.embedding[0], float) for each in texts.data)
    assert served.engine.embedded == [("a", "b"), ((1, 2), (3,))]


async def test_official_clients_leave_a_model_alone_that_a_person_unloaded() -> None:
    async with serving(fails(ModelUnloaded("It was unloaded"))) as served:
        for is_stream in (False, True):
            async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x") as client:
                with pytest.raises(openai.InternalServerError, match="unloaded") as caught:
                    await client.chat.completions.create(
                        model=MODEL.model_id,
                        messages=[{"role": "user", "content": "x"}],
                        stream=is_stream,
                    )
            assert (caught.value.status_code, caught.value.code) == (503, "model_unloaded")
        async with anthropic.AsyncAnthropic(base_url=served.url, api_key="x") as other:
            with pytest.raises(anthropic.InternalServerError, match="unloaded"):
                await other.messages.create(
                    model=MODEL.model_id, max_tokens=9, messages=[{"role": "user", "content": "x"}]
                )
        assert len(served.engine.prompts) == 3  # one try each
