"""Tool calls of real models: forced ones always parse, and marks that are control tokens show."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions, Tool, ToolCall, ToolMode
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.call_syntax import SYNTAXES
from minerva_desktop.engine.engine import LlamaEngine, Prompt
from minerva_desktop.errors import InvalidRequest
from tests.engine import templates
from tests.engine.answers import TOOLS, Answer, F, R, read
from tests.engine.models import write_with_templates

ASKED = [ChatTurn(Role.USER, "How hot is Paris?")]
AUTO = ChatOptions(tools=TOOLS)
FORCED = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED)
ONE_CALL = ChatOptions(tools=TOOLS, parallel=False)
ONE = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED, parallel=False)
NOW = ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED, only_tool="now")
NO_CITY = ChatOptions(tools=TOOLS[1:], parallel=False)
THINKING = '{"enable_thinking": true}'
# Control tokens of SmolLM2 that get other names.
THINK, THOUGHT, CALL, CALLED = 3, 4, 5, 6
MARKS = {THINK: "<think>", THOUGHT: "</think>", CALL: "<tool_call>", CALLED: "</tool_call>"}


BY_NAME = {"": templates.NO_SYSTEM, "tool_use": templates.HERMES}

# The tests share their engines, and with these what was computed of the prompts.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def loaded(path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(path)
    await engine.load(1024)
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def marked(
    small_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaEngine]:
    """A model of the Hermes kind that thinks, its marks being control tokens. It says nothing of
    sense and never ends a text by itself: what it has to keep to is all that gives it a form."""
    path = tmp_path_factory.mktemp("models") / "marked.gguf"
    write_with_templates(path, small_path, BY_NAME, MARKS)
    async with loaded(path) as engine:
        yield engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(small_path: Path) -> AsyncIterator[LlamaEngine]:
    """It has the embedded model's template, and knows nothing of tools."""
    async with loaded(small_path) as engine:
        yield engine


def hot(seed: int, max_tokens: int = 70, **changes: object) -> SamplingParameters:
    return SamplingParameters(temperature=2.0, seed=seed, max_tokens=max_tokens, **changes)  # type: ignore[arg-type]


def check_calls(answer: Answer, *, is_whole: bool = True) -> None:
    """The calls are of the tools and fit their schemas. Of an answer that was cut the last one may
    be cut too, or have no more than a beginning that could still be text."""
    assert answer.calls or not is_whole
    assert not is_whole or not answer.content.strip()
    for name, arguments in answer.calls if is_whole else answer.calls[:-1]:
        values = json.loads(arguments)
        if name == "get_weather":
            assert isinstance(values["city"], str)
            assert 1 <= values.get("days", 1) <= 14
        else:
            assert values == {}


async def test_it_says_how_it_answers(marked: LlamaEngine, plain: LlamaEngine) -> None:
    info = marked.get_context_info()
    assert info.answer_format == AnswerFormat(F.HERMES, R.THINK)
    assert (info.capabilities.tools, info.capabilities.reasoning) == (True, True)
    info = plain.get_context_info()
    assert info.answer_format == AnswerFormat(F.GENERIC)
    assert (info.capabilities.tools, info.capabilities.reasoning) == (False, False)


async def test_forced_calls_parse_however_hot(plain: LlamaEngine) -> None:
    for seed, chat in ((0, FORCED), (1, FORCED), (2, ONE)):  # the second is cut
        stream = plain.generate(ASKED, sampling=hot(seed), chat=chat)
        answer = read(await stream.text(), AnswerFormat(F.GENERIC), chat)
        assert stream.completion is not None
        is_whole = stream.completion.finish_reason is FinishReason.STOP
        check_calls(answer, is_whole=is_whole)
    text = await plain.generate(ASKED, sampling=hot(7), chat=NOW).text()
    assert [name for name, _ in read(text, AnswerFormat(F.GENERIC)).calls] == ["now"]


@pytest.mark.slow
async def test_forced_calls_parse_with_another_model(gemma_path: Path) -> None:
    async with loaded(gemma_path) as gemma:
        answer_format = gemma.get_context_info().answer_format
        for stream in gemma.generate_choices(ASKED, 2, sampling=hot(1, 40), chat=ONE):
            answer = read(await stream.text(), answer_format, ONE)
            assert stream.completion is not None
            check_calls(answer, is_whole=stream.completion.finish_reason is FinishReason.STOP)


@pytest.mark.parametrize("family", [F.GEMMA, F.LFM])
async def test_forced_calls_that_are_no_json_parse_however_hot(
    small_path: Path, tmp_path: Path, family: F
) -> None:
    mark = SYNTAXES[family].call[0]
    template = templates.GEMMA4 if family is F.GEMMA else templates.LFM
    write_with_templates(tmp_path / "small.gguf", small_path, {"": template}, {CALL: mark})
    form = AnswerFormat(family, R.NONE if family is F.GEMMA else R.THINK)
    async with loaded(tmp_path / "small.gguf") as engine:
        assert engine.get_context_info().answer_format == form
        for seed in range(3):
            stream = engine.generate(ASKED, sampling=hot(seed, 120), chat=ONE)
            answer = read(await stream.text(), form, ONE)
            assert stream.completion is not None
            check_calls(answer, is_whole=stream.completion.finish_reason is FinishReason.STOP)
        begun = hot(4, 60, logit_bias={CALL: 50.0})
        text = await engine.generate(ASKED, sampling=begun, chat=NO_CITY).text()
        assert text.startswith(mark)
        assert read(text, form, NO_CITY).calls == [["now", "{}"]]


async def test_an_answer_in_a_form_may_call_instead(marked: LlamaEngine) -> None:
    """What steers it here is a bias, where a large model sees for itself what to do."""
    (brace,) = (await marked.tokenize("{")).tokens
    (tool,) = (await marked.tokenize("to")).tokens  # of a mark that is spelt
    form = '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}'
    answer_format = AnswerFormat(F.HERMES, R.THINK)
    may_call = ChatOptions(tools=tuple(each for each in TOOLS if each.name == "now"))
    for bias, chat, names in (
        ({CALL: 50.0, CALLED: 50.0}, msgspec.structs.replace(may_call, parallel=False), 1),
        ({CALL: -50.0, brace: 50.0}, may_call, 0),
        ({CALL: -50.0, tool: 50.0}, NOW, 1),  # what has to be called leaves nothing to say
    ):
        sampling = SamplingParameters(
            temperature=0.0, max_tokens=70, json_schema=form, logit_bias={THINK: -50.0, **bias}
        )
        stream = marked.generate(ASKED, sampling=sampling, chat=chat)
        answer = read(await stream.text(), answer_format, chat)
        assert stream.completion is not None
        assert stream.completion.finish_reason is FinishReason.STOP
        assert len(answer.calls) == names
        check_calls(answer, is_whole=bool(names))
        if not names:
            assert json.loads(answer.content).keys() == {"a"}


async def test_forced_marks_may_be_control_tokens(marked: LlamaEngine) -> None:
    unthinking = hot(1, logit_bias={THINK: -50.0})
    text = await marked.generate(ASKED, sampling=unthinking, chat=ONE).text()
    assert text.startswith("<tool_call>\n{")
    check_calls(read(text, AnswerFormat(F.HERMES, R.THINK), ONE))
    # This model never saw its marks as such, and would spell them.
    biased = hot(1, logit_bias={CALL: 50.0, CALLED: 50.0}, top_logprobs=0)
    stream = marked.generate(ASKED, sampling=biased, chat=NOW)
    assert read(await stream.text(), AnswerFormat(F.HERMES, R.THINK)).calls[0][0] == "now"
    tokens = [logprob.token for logprob in stream.logprobs]
    assert tokens[0] == CALL
    assert tokens.count(CALLED) == 1


async def test_an_opened_thought_is_whole_and_a_call_may_follow_it(marked: LlamaEngine) -> None:
    chat = msgspec.structs.replace(NOW, variables=THINKING)
    # Left alone, a model as hot as this one would think up to the end.
    biased = hot(3, logit_bias={THOUGHT: 25.0})
    text = await marked.generate(ASKED, sampling=biased, chat=chat).text()
    assert text.startswith("<think>\n")
    assert "</think>" in text
    answer = read(text, AnswerFormat(F.HERMES, R.THINK), chat)
    check_calls(answer)
    cut = marked.generate(ASKED, sampling=hot(3, 5), chat=chat)
    assert read(await cut.text(), AnswerFormat(F.HERMES, R.THINK), chat).calls == []
    assert cut.completion is not None
    assert cut.completion.finish_reason is FinishReason.LENGTH
    assert cut.completion.timings.completion_tokens == 5, "the opening is no token"


async def test_stop_strings_do_not_see_the_opening_but_all_after_it(marked: LlamaEngine) -> None:
    chat = ChatOptions(tools=TOOLS, variables=THINKING)
    sampling = SamplingParameters(
        temperature=0.0, max_tokens=30, stop=("<think>", "</think>"), logit_bias={THOUGHT: 100.0}
    )
    stream = marked.generate(ASKED, sampling=sampling, chat=chat)
    assert await stream.text() == "<think>\n"
    assert stream.completion is not None
    assert stream.completion.finish_reason is FinishReason.STOP


async def test_a_call_that_began_is_valid_too(marked: LlamaEngine) -> None:
    one = ChatOptions(tools=TOOLS, parallel=False)
    stream = marked.generate(ASKED, sampling=hot(5, logit_bias={CALL: 50.0}), chat=one)
    text = await stream.text()
    assert text.startswith("<tool_call>\n{")
    check_calls(read(text, AnswerFormat(F.HERMES, R.THINK), one))
    assert stream.completion is not None
    assert stream.completion.finish_reason is FinishReason.STOP, "one call, and the answer ends"
    biased = hot(6, 45, logit_bias={CALL: 50.0})
    text = await marked.generate(ASKED, sampling=biased, chat=AUTO).text()
    check_calls(read(text, AnswerFormat(F.HERMES, R.THINK), AUTO), is_whole=False)


async def test_stop_strings_do_not_cut_calls(marked: LlamaEngine, plain: LlamaEngine) -> None:
    stops = ('"', "}", "\n", "_call")
    text = await plain.generate(ASKED, sampling=hot(7, stop=stops), chat=NOW).text()
    assert read(text, AnswerFormat(F.GENERIC), NOW).calls[0][0] == "now"
    sampling = hot(5, 200, stop=stops[:3], logit_bias={CALL: 50.0, CALLED: 50.0})
    one = msgspec.structs.replace(AUTO, tools=TOOLS[1:], parallel=False)
    text = await marked.generate(ASKED, sampling=sampling, chat=one).text()
    assert read(text, AnswerFormat(F.HERMES, R.THINK), one).calls[0][0] == "now"
    assert text.endswith("</tool_call>")
    # Its beginning is still text, and they count: so an answer can end before a call.
    sampling = hot(5, logit_bias={CALL: 50.0}, stop=("<tool_call>",))
    stream = marked.generate(ASKED, sampling=sampling, chat=one)
    assert await stream.text() == ""
    assert stream.completion is not None
    assert stream.completion.stop_string == "<tool_call>"


async def test_tools_count_in_the_prompt(plain: LlamaEngine) -> None:
    prompt = await plain.apply_template(ASKED, chat=AUTO)
    tokens = (await plain.tokenize(prompt)).tokens
    assert await plain.count_tokens(ASKED, chat=AUTO) == len(tokens) > 200
    stream = plain.generate(ASKED, 1, chat=AUTO)
    assert (await stream.wait_completion()).timings.prompt_tokens == len(tokens)


async def test_control_tokens_show_in_answers_to_messages_only(marked: LlamaEngine) -> None:
    biased = SamplingParameters(temperature=0.0, max_tokens=2, logit_bias={CALLED: 100.0})
    assert await marked.generate(ASKED, sampling=biased).text() == "</tool_call></tool_call>"
    assert await marked.generate("Hi", sampling=biased).text() == ""


async def test_the_template_for_tools_is_taken_with_tools(marked: LlamaEngine) -> None:
    assert await marked.apply_template(ASKED) == "[user]How hot is Paris?"
    text = await marked.apply_template(ASKED, chat=AUTO)
    assert text.startswith("<|im_start|>system\nTools:")
    assert text.endswith("<|im_start|>assistant\n")


async def test_a_turn_that_calls_is_not_continued_and_a_plain_one_is(marked: LlamaEngine) -> None:
    called = ChatTurn(Role.ASSISTANT, "Hm.", tool_calls=(ToolCall("c", "now", "{}"),))
    text = await marked.apply_template([*ASKED, called], chat=AUTO)
    assert text.endswith("</tool_call><|im_end|>\n<|im_start|>assistant\n")
    begun = ChatTurn(Role.ASSISTANT, "Quite", reasoning="<think>")
    chat = ChatOptions(tools=TOOLS, variables=THINKING)
    assert (await marked.apply_template([*ASKED, begun], chat=chat)).endswith("\n\nQuite")
    stream = marked.generate([*ASKED, begun], 2, chat=chat)
    assert not (await stream.text()).startswith("<think>")


async def test_what_excludes_each_other_is_refused(plain: LlamaEngine) -> None:
    refused: list[tuple[Prompt, SamplingParameters, ChatOptions, str]] = [
        (ASKED, SamplingParameters(grammar='root ::= "a"'), FORCED, "tool_choice"),
        (ASKED, SamplingParameters(json_schema='{"type": 5}'), FORCED, "response_format"),
        ([*ASKED, ChatTurn(Role.ASSISTANT, "a")], SamplingParameters(), FORCED, "tool_choice"),
        (ASKED, SamplingParameters(ignore_eos=True), FORCED, "tool_choice"),
        (ASKED, SamplingParameters(min_tokens=2), FORCED, "tool_choice"),
        (ASKED, SamplingParameters(ignore_eos=True), ONE_CALL, "parallel_tool_calls"),
        (ASKED, SamplingParameters(min_tokens=2), ONE_CALL, "parallel_tool_calls"),
        ("text", SamplingParameters(), AUTO, "tools"),
        (ASKED, SamplingParameters(), ChatOptions(variables="{"), "chat_template_kwargs"),
    ]
    for prompt, sampling, chat, field in refused:
        with pytest.raises(InvalidRequest) as caught:
            await plain.generate(prompt, 2, sampling=sampling, chat=chat).text()
        assert caught.value.param == field
    with pytest.raises(InvalidRequest):
        await plain.count_tokens(ASKED, chat=ChatOptions(tools=(Tool("no name"),)))


async def test_hostile_schemas_do_no_harm(marked: LlamaEngine) -> None:
    nested = '{"type":"object","properties":{"a":' * 30 + "{}" + "}}" * 30
    recursive = json.dumps(
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}}},
        }
    )
    schemas = [
        nested,
        recursive,
        '{"properties": {"a": {"pattern": "((a*)*)*b"}}}',
        '{"properties": {"a": {"items": {"anyOf": [{"pattern": "a*"}, {"pattern": "a*"}]}}}}',
        '{"properties": {"\\"} ::= [": {"enum": ["\\u0000", "\\"", "\\\\"]}}}',
    ]
    sampling = hot(1, 5, logit_bias={CALL: 50.0})
    for schema in schemas:
        tools = (Tool("f", parameters=schema),)
        await marked.generate(ASKED, sampling=sampling, chat=ChatOptions(tools=tools)).text()
        forced = ChatOptions(tools=tools, mode=ToolMode.REQUIRED)
        stream = marked.generate(ASKED, sampling=hot(1, 8), chat=forced)
        with contextlib.suppress(InvalidRequest):
            await stream.text()
        error = stream.error
        assert error is None or error.param == "tools[0].function.parameters"
    assert await marked.generate(ASKED, 3).text()
