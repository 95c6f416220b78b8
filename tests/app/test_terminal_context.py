"""What `minerva chat` says where its context is too small: the numbers, and what there is to do."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.app.terminal_context import TerminalContext
from minerva_desktop.errors import ContextLimitExceeded

GROWN = "which the memory has to allow (the model was trained for 32,768)"
TRAINED = "trained for 8,192"
NEW_CHAT = "end this chat with Ctrl+D and begin a new one"
LONG = "sea " * 600  # more than twice as many tokens as there are


def test_a_message_that_does_not_fit_is_refused_with_what_helps(
    small_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("chat", str(small_path), "--n-ctx", "256", "--seed", "1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{LONG}\nHello\n{LONG}\n"))
    assert main([*asked, "--max-tokens", "4"]) == 1  # not all of it was answered
    first, later = capsys.readouterr().err.splitlines()
    for each in (first, later):  # a new chat alone would not help
        assert each.startswith("minerva: Context limit exceeded: max 256, required ")
        assert " tokens. Shorten the message, or start with --n-ctx" in each
        assert each.endswith(f", {GROWN}.")
    assert main([*asked, "--prompt", LONG]) == 1
    assert " tokens. Shorten the prompt, or start with --n-ctx " in capsys.readouterr().err


def test_an_answer_that_the_context_ends_says_so(
    small_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("chat", str(small_path), "--n-ctx", "256", "--seed", "1", "--prompt", "sea " * 200)
    assert main(asked) == 0
    said = capsys.readouterr()
    assert said.out.strip()
    assert said.err == (
        "note: the answer ends here because the context of 256 tokens is full. "
        f"Start with --n-ctx 1024, {GROWN}.\n"
    )


@pytest.mark.parametrize(
    ("n_ctx", "required", "n_alone", "ways"),
    [
        (512, 9000, None, "Shorten the message."),  # which no context of the model holds
        (512, 9000, 8500, "Shorten the message."),
        (512, 9000, 600, "Shorten the message, or start with --n-ctx 8192, which"),
        (512, 9000, 100, f"Shorten the message, {NEW_CHAT}, or start with --n-ctx 8192, which"),
        (8192, 8200, 20, f"Shorten the message, or {NEW_CHAT}."),
        (512, 700, None, "Shorten the message, or start with --n-ctx 1024, which"),
    ],
)
def test_nothing_is_offered_that_would_not_help(
    n_ctx: int, required: int, n_alone: int | None, ways: str
) -> None:
    context = TerminalContext(n_ctx=n_ctx, longest=8192, trained=TRAINED, is_one_answer=False)
    error = ContextLimitExceeded.of(n_ctx, required)
    told = f"Context limit exceeded: max {n_ctx:,}, required {required:,} tokens. {ways}"
    assert context.refused(error, n_alone).message.startswith(told)


def test_a_context_that_cannot_grow_is_told_with_what_it_was_trained_for() -> None:
    full = TerminalContext(n_ctx=8192, longest=8192, trained=TRAINED, is_one_answer=True).filled()
    assert full.endswith("the context of 8,192 tokens is full. The model was trained for 8,192.")


def test_a_context_may_grow_to_what_rope_scaling_makes_sense_of(
    model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "sea " * 9000
    asked = ("chat", str(model_path), "--prompt", long, "--n-ctx", "256")
    assert main(asked) == 1
    assert capsys.readouterr().err.endswith(" tokens. Shorten the prompt.\n")
    assert main([*asked, "--rope-scale", "2"]) == 1
    assert capsys.readouterr().err.endswith(
        " tokens. Shorten the prompt, or start with --n-ctx 12288, which the memory has to allow"
        " (the model was trained for 8,192, which RoPE scaling stretches to 16,384).\n"
    )
