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
LONG = "sea " * 600  # more than twice as many tokens as there are


def test_a_message_that_does_not_fit_is_refused_with_what_helps(
    small_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("chat", str(small_path), "--n-ctx", "256", "--seed", "1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{LONG}\nHello\n{LONG}\n"))
    assert main([*asked, "--max-tokens", "4"]) == 0
    first, later = capsys.readouterr().err.splitlines()
    alone = "Shorten the message, or start with --n-ctx"
    assert first.startswith("minerva: Context limit exceeded: max 256, required ")
    assert f" tokens. {alone}" in first
    assert first.endswith(f", {GROWN}.")
    assert (
        " tokens. Shorten the message, end this chat with Ctrl+D and begin a new one, or" in later
    )
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
    ("n_ctx", "required", "is_begun", "ways"),
    [
        (512, 9000, False, "Shorten the message."),  # which no context of the model holds
        (
            512,
            9000,
            True,
            "end this chat with Ctrl+D and begin a new one, or start with --n-ctx 8192",
        ),
        (
            8192,
            8200,
            True,
            "Shorten the message, or end this chat with Ctrl+D and begin a new one.",
        ),
        (512, 700, False, "Shorten the message, or start with --n-ctx 1024, which"),
    ],
)
def test_no_context_is_offered_that_would_not_help(
    n_ctx: int, required: int, is_begun: bool, ways: str
) -> None:
    context = TerminalContext(n_ctx=n_ctx, n_ctx_train=8192, is_one_answer=False)
    error = ContextLimitExceeded.of(n_ctx, required)
    assert ways in context.refused(error, is_begun=is_begun).message


def test_a_context_that_cannot_grow_is_told_with_what_it_was_trained_for() -> None:
    full = TerminalContext(n_ctx=8192, n_ctx_train=8192, is_one_answer=True).filled()
    assert full.endswith("the context of 8,192 tokens is full. The model was trained for 8,192.")
