"""A grammar asked of an answer binds the answer, and not the train of thought before it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.engine.answer_parser import AnswerParser, ContentDelta, ReasoningDelta
from minerva_desktop.engine.core.call_grammar import grammar_after_thought
from minerva_desktop.engine.core.grammar import check_structure
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import InvalidRequest
from tests.engine.models import write_with_templates

HELLO = [ChatTurn(Role.USER, "Write one sentence about the sea.")]
TEMPLATE = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: <think>\\n' }}{% endif %}"
)
OPENING, CLOSING = 8, 9  # control tokens that nothing here needs
OBJECT = '{"type": "object", "properties": {"a": {"const": "b"}}, "required": ["a"], '
OBJECT += '"additionalProperties": false}'


@pytest.fixture(scope="module")
def thinking_path(small_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose template opens a train of thought."""
    path = tmp_path_factory.mktemp("models") / "thinking.gguf"
    marks = {OPENING: "<think>", CLOSING: "</think>"}
    write_with_templates(path, small_path, {"": TEMPLATE}, marks)
    return path


@pytest.fixture
async def engine(thinking_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(thinking_path)
    await engine.load(512)
    yield engine
    await engine.unload()


async def _answer(engine: LlamaEngine, sampling: SamplingParameters) -> tuple[str, str]:
    """Reasoning and content."""
    text = await engine.generate(HELLO, sampling=sampling).text()
    parser = AnswerParser(engine.get_context_info().answer_format, ChatOptions())
    parts = [*parser.feed(text), *parser.finish()]
    thought = "".join(part.text for part in parts if isinstance(part, ReasoningDelta))
    return thought, "".join(part.text for part in parts if isinstance(part, ContentDelta))


@pytest.mark.parametrize(
    ("asked", "content"),
    [
        (SamplingParameters(grammar='root ::= "root" thought0\nthought0 ::= "!"'), "root!"),
        (SamplingParameters(json_schema=OBJECT), '{"a":"b"}'),
    ],
)
async def test_the_answer_follows_behind_the_thought(
    engine: LlamaEngine, asked: SamplingParameters, content: str
) -> None:
    # The thought is over at once; behind it the grammar allows no second closing.
    closed = msgspec.structs.replace(
        asked, temperature=0.0, max_tokens=40, logit_bias={CLOSING: 100.0}
    )
    thought, found = await _answer(engine, closed)
    assert (thought, "".join(found.split())) == ("", content)


async def test_the_thought_itself_is_free(engine: LlamaEngine) -> None:
    free = SamplingParameters(temperature=0.0, max_tokens=12, logit_bias={CLOSING: -100.0})
    bound = SamplingParameters(
        temperature=0.0, max_tokens=12, logit_bias={CLOSING: -100.0}, grammar='root ::= "0"+'
    )
    thought, content = await _answer(engine, bound)
    assert (thought, content) == await _answer(engine, free)
    assert len(thought) > 12
    assert content == ""


async def test_an_answer_that_goes_on_and_a_plain_text_are_bound_at_once(
    engine: LlamaEngine,
) -> None:
    sampling = SamplingParameters(temperature=0.0, max_tokens=8, grammar='root ::= "12345"')
    going_on = [*HELLO, ChatTurn(Role.ASSISTANT, "It has")]
    for prompt in (going_on, "The sea"):
        assert await engine.generate(prompt, sampling=sampling).text() == "12345"


HARMONY = (
    '("<|channel|>analysis<|message|>" thought0)? '
    '"<|channel|>final" " <|constrain|>json"? "<|message|>" a-root'
)
GRAMMAR = 'root ::= "root" x{2,3} [^root"\\]] # root\nx ::= "\\"x" | root'


@pytest.mark.parametrize(
    ("tools", "reasoning", "opening", "root"),
    [
        (ToolFormat.GENERIC, ReasoningFormat.NONE, "", None),
        (
            ToolFormat.HERMES,
            ReasoningFormat.THINK,
            "<think>\n",
            'thought0 ("\\n" "\\n"?)? a-root',
        ),
        (
            ToolFormat.HERMES,
            ReasoningFormat.THINK,
            "",
            '("<think>" thought0 ("\\n" "\\n"?)?)? a-root',
        ),
        (ToolFormat.FUNCTIONARY_V32, ReasoningFormat.NONE, ">>>", '"all\\x0A" a-root'),
        (ToolFormat.FUNCTIONARY_V32, ReasoningFormat.NONE, "", '">>>all\\x0A" a-root'),
        (
            ToolFormat.HARMONY,
            ReasoningFormat.HARMONY,
            "",
            HARMONY,
        ),
    ],
)
def test_each_family_has_its_own_way_to_the_answer(
    tools: ToolFormat, reasoning: ReasoningFormat, opening: str, root: str | None
) -> None:
    made = grammar_after_thought(GRAMMAR, AnswerFormat(tools, reasoning), opening)
    if root is None:
        assert made == GRAMMAR
        return
    first, *rules, body, last = made.split("\n")
    plain = re.sub(r"\\x([2-7][0-9A-F])", lambda found: chr(int(found[1], 16)), first)
    assert plain == f"root ::= {root}"
    assert all(rule.startswith("thought") for rule in rules)
    assert (body, last) == (
        'a-root ::= "root" a-x{2,3} [^root"\\]] # root',
        'a-x ::= "\\"x" | a-root',
    )
    check_structure(made)


def test_a_grammar_that_becomes_too_large_is_refused() -> None:
    grammar = f'root ::= {" ".join(["x"] * 60_000)}\nx ::= "x"'
    check_structure(grammar)
    with pytest.raises(InvalidRequest, match="cannot be followed behind a train of thought"):
        grammar_after_thought(
            grammar, AnswerFormat(ToolFormat.HERMES, ReasoningFormat.THINK), "<think>"
        )
