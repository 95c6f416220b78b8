"""A chat template instead of the model's own: used for all that a template decides, tried before it
is used, and refused where it is broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.answer_format import ReasoningFormat, ToolFormat
from minerva_desktop.engine.core.chat_template import RENDER_SECONDS
from minerva_desktop.engine.core.questions import PREVIEW_CHARACTERS
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, SnapshotOptions
from minerva_desktop.errors import InferenceError, InvalidRequest, ModelLoadError
from minerva_desktop.load_limits import MAX_TEMPLATE

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0, max_tokens=6)
TURNS = [ChatTurn(Role.USER, "Name a river.")]
PLAIN = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
THINKS = PLAIN + "{% if tools %}<tool_call>{% endif %}<think>"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    """With `PLAIN`."""
    engine = LlamaEngine(small_path)
    await engine.load(2048, options=LoadOptions(chat_template=PLAIN))
    yield engine
    await engine.unload()


async def test_prompts_and_counts_are_those_of_the_template(engine: LlamaEngine) -> None:
    text = "[user] Name a river.\n[assistant]"
    assert await engine.apply_template(TURNS) == text
    tokens = (await engine.tokenize(text)).tokens
    assert await engine.count_tokens(TURNS) == len(tokens)
    by_turns = engine.generate(TURNS, sampling=GREEDY)
    said = await by_turns.text()
    assert (await by_turns.wait_completion()).timings.prompt_tokens == len(tokens)
    assert await engine.generate(tokens, sampling=GREEDY).text() == said


async def test_what_the_model_can_do_is_what_the_template_has_a_place_for(
    engine: LlamaEngine, small_path: Path
) -> None:
    info = engine.get_context_info()
    assert (info.chat_template, info.has_chat_template) == (PLAIN, True)
    assert (info.capabilities.tools, info.capabilities.reasoning) == (False, False)
    other = LlamaEngine(small_path)
    info = await other.load(512, options=LoadOptions(chat_template=THINKS))
    await other.unload()
    assert (info.capabilities.tools, info.capabilities.reasoning) == (True, True)
    assert info.answer_format.tools is ToolFormat.HERMES
    assert info.answer_format.reasoning is ReasoningFormat.THINK


async def test_one_that_nobody_waits_for_holds_up_no_other(engine: LlamaEngine) -> None:
    endless = asyncio.create_task(engine.apply_template(TURNS, template=ENDLESS))
    await asyncio.sleep(0)  # it is sent, and has come where this has been answered:
    await engine.tokenize("a" * 30_000)
    began = time.perf_counter()
    endless.cancel()
    assert await engine.apply_template(TURNS, template="{{ messages[0].content }}!") == (
        "Name a river.!"
    )
    assert time.perf_counter() - began < RENDER_SECONDS / 2


async def test_another_template_is_tried_without_a_load(engine: LlamaEngine) -> None:
    assert await engine.apply_template(TURNS, template="{{ messages[0].content }}!") == (
        "Name a river.!"
    )
    assert (await engine.apply_template(TURNS)).startswith("[user]")  # it was only tried
    long = "{{ 'a' * 9999999 }}"
    assert await engine.apply_template(TURNS, template=long) == "a" * PREVIEW_CHARACTERS


@pytest.mark.parametrize(
    ("template", "error", "why"),
    [
        ("one\n{{ two", InferenceError, "(line 2)"),
        (ENDLESS, InferenceError, "ran longer than 2 s"),
        ("{{ ('a' * 9999999) ~ ('a' * 9999999) }}", InferenceError, "a value is too large"),
        ("{{ raise_exception('no') }}", InvalidRequest, "refuses these messages: no"),
        (" ", InvalidRequest, "has 1 to 200,000 characters"),
    ],
)
async def test_what_is_wrong_with_a_tried_template_is_told_and_the_model_lives(
    engine: LlamaEngine, template: str, error: type[Exception], why: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(error) as caught:
        await engine.apply_template(TURNS, template=template)
    assert why in f"{caught.value} {getattr(caught.value, 'detail', '')}"
    assert time.perf_counter() - started < 10.0
    assert engine.is_loaded()
    assert (await engine.apply_template(TURNS)).startswith("[user]")


async def test_a_broken_template_is_refused_before_the_load(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    told: list[float] = []
    broken = LoadOptions(n_ctx=512, chat_template="one\n{% if %}")
    with pytest.raises(ModelLoadError, match=r"load options is broken: .*\(line 2\)") as refused:
        await engine.load(options=broken, on_progress=told.append)
    assert refused.value.param == "chat_template"
    assert told == [0.0]  # no weight was read
    for text in ("", "x" * (MAX_TEMPLATE + 1), "\ud800"):
        with pytest.raises(InvalidRequest) as caught:
            await engine.load(options=LoadOptions(chat_template=text))
        assert caught.value.param == "chat_template"
    await engine.load(512)  # and without it all is well
    await engine.unload()


async def test_a_chats_state_is_used_only_as_far_as_its_tokens_are_the_same(
    small_path: Path, tmp_path: Path
) -> None:
    turns = [ChatTurn(Role.USER, ", ".join(str(number) for number in range(200)))]
    snapshots = SnapshotOptions(bytes(tmp_path), 1 << 30)

    async def answer(template: str | None, *, chat: str | None) -> tuple[str, int]:
        engine = LlamaEngine(small_path)
        options = LoadOptions(n_ctx=2048, snapshots=snapshots, chat_template=template)
        await engine.load(options=options)
        stream = engine.generate(turns, sampling=GREEDY, snapshot=chat)
        text, completion = await stream.text(), await stream.wait_completion()
        await engine.unload()  # which saves the chat
        return text, completion.restored_tokens

    await answer(None, chat="a")
    assert len(list(tmp_path.glob("*/*.kv"))) == 1
    cold, _ = await answer(PLAIN, chat=None)
    other, restored = await answer(PLAIN, chat="a")
    assert (other, restored) == (cold, 0)  # its prompt begins with other tokens


async def test_the_guessed_templates_end_mark_ends_an_answer_that_spells_it(
    gemma_path: Path,
) -> None:
    engine = LlamaEngine(gemma_path)  # a base model without a template: ChatML is ours
    await engine.load(options=LoadOptions(n_ctx=512))
    asked = (ChatTurn(Role.USER, "What is the capital of France?"),)
    told: list[tuple[str, FinishReason, str | None]] = []
    free = SamplingParameters(temperature=0.0, max_tokens=16)
    for sampling in (free, replace(free, stop=("capital",)), replace(free, ignore_eos=True)):
        stream = engine.generate(asked, sampling=sampling)
        completion = await stream.wait_completion()
        told.append((str(stream), completion.finish_reason, completion.stop_string))
    again = "<|im_start|>user\nHi<|im_end|>\n" * 4
    plain = engine.generate(again.removesuffix("<|im_end|>\n"), 8, sampling=GREEDY)
    await plain.wait_completion()
    await engine.unload()
    (text, *end), cut, (whole, *_) = told
    assert end == [FinishReason.STOP, None], "the mark is no stop string of the request"
    assert text
    assert "<|im" not in text
    assert whole.startswith(text + "<|im_end|>")
    assert cut == (text.partition("capital")[0], FinishReason.STOP, "capital")
    assert "<|im_end|>" in str(plain)
