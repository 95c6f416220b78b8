"""How a load is told: each fact and each reason once."""

from __future__ import annotations

import pytest

from minerva_desktop.app.load_words import refused_needs, told_once
from minerva_desktop.errors import InferenceError, OutOfMemory

WHY = "as wished it would take 9.0 GB"
SHORTER = f"context of 4,096 tokens instead of 8,192: {WHY}"
LAYERS = f"66 of 81 layers on the GPU, the others on the CPU: {WHY}"
TOO_LARGE = "it takes 6.3 GB of this computer's memory, and there are 4.2 GB for models"


@pytest.mark.parametrize(
    ("sentences", "told"),
    [
        ((), "context of 4,096 tokens, 66 of 81 layers on the GPU"),
        (
            (SHORTER, LAYERS),
            (
                "context of 4,096 tokens instead of 8,192, "
                f"66 of 81 layers on the GPU, the others on the CPU: {WHY}"
            ),
        ),
        (
            (TOO_LARGE, f"KV cache in q8_0: {WHY}"),
            (
                f"context of 4,096 tokens, 66 of 81 layers on the GPU, KV cache in q8_0: {WHY}. "
                "It takes 6.3 GB of this computer's memory, and there are 4.2 GB for models"
            ),
        ),
        (
            (SHORTER, "KV cache in q8_0: the person said so"),
            (
                "context of 4,096 tokens instead of 8,192, 66 of 81 layers on the GPU, "
                f"KV cache in q8_0: {WHY}; the person said so"
            ),
        ),
        (("context of 4,096 tokens",), "context of 4,096 tokens, 66 of 81 layers on the GPU"),
    ],
)
def test_nothing_is_told_twice(sentences: tuple[str, ...], told: str) -> None:
    facts = ("context of 4,096 tokens", "66 of 81 layers on the GPU")
    assert told_once(facts, sentences) == told


def test_only_a_budgets_refusal_says_what_is_needed() -> None:
    of_budget = OutOfMemory("Memory exceeded: 1 + 2 > 2", needs="it needs 2 GB of all")
    assert refused_needs(of_budget) == "It needs 2 GB of all."
    assert refused_needs(OutOfMemory("no memory", detail="llama_init: failed")) == ""
    assert refused_needs(InferenceError("No", detail="It. In bytes: 0")) == ""
