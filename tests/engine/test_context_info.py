"""What `get_context_info` says, and the numbers that every answer carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.model_info import capabilities, placement_text
from minerva_desktop.engine.core.prompts import Templates
from minerva_desktop.engine.core.tool_calls import answer_format
from minerva_desktop.engine.engine import LlamaEngine

GREEDY = SamplingParameters(temperature=0.0)


async def test_it_says_what_the_model_is_and_where(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(1024)
    info = engine.get_context_info()
    assert info.name == "Smollm2 135M 8k Lc100K Mix1 Ep2"
    assert (info.architecture, info.quantisation) == ("llama", "Q4_1")
    assert (info.n_embd, info.n_layers, info.n_ctx_train) == (576, 30, 8192)
    assert sum(part.n_layers for part in info.placement) == 31  # the output layer too
    assert info.flash_attention
    assert info.capabilities.chat
    assert not info.capabilities.embeddings
    assert not info.capabilities.vision
    await engine.unload()


async def test_used_cells_follow_what_the_cache_holds(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(1024)
    assert engine.get_context_info().n_used_cells == 0
    completion = await engine.generate("The sea is", 10, sampling=GREEDY).wait_completion()
    # The last token was sampled, but never computed.
    assert engine.get_context_info().n_used_cells == completion.context_used - 1
    await engine.generate("A mountain", 5, sampling=GREEDY, cache_prompt=False).text()
    assert engine.get_context_info().n_used_cells == completion.context_used - 1
    await engine.generate("A mountain", 5, sampling=GREEDY).text()
    assert engine.get_context_info().n_used_cells > completion.context_used
    await engine.unload()


async def test_an_answer_says_which_model_computed_it_and_where(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(1024)
    turns = [ChatTurn(Role.USER, "Hi")]
    completion = await engine.generate(turns, 4, sampling=GREEDY).wait_completion()
    assert completion.model == model_path.name
    assert completion.quantisation == "Q4_1"
    assert completion.placement == placement_text(engine.get_context_info().placement)
    assert completion.context_used == completion.timings.prompt_tokens + 4
    assert completion.acceptance_rate is None
    await engine.unload()


@pytest.mark.parametrize(
    ("template", "tools", "reasoning"),
    [
        ("{{ messages }}", False, False),
        ("{% if tools %}{{ tools }}{% endif %}", True, False),
        ("{{ '<think>' }}", False, True),
    ],
)
def test_a_template_tells_what_a_model_can_do(template: str, tools: bool, reasoning: bool) -> None:
    templates = Templates(template, None, answer_format(template))
    able = capabilities(templates, is_embedding=False)
    assert (able.chat, able.tools, able.reasoning) == (True, tools, reasoning)
