"""Code is coloured line by line, and the same however it arrives."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name
from pygments.lexers.textfmts import HttpLexer
from pygments.token import Token, string_to_tokentype

from minerva_desktop.ui.chat_view.code_highlight import (
    MAX_LINE_LENGTH,
    WINDOW,
    LineHighlighter,
    language_name,
    preload_highlighting,
    token_style,
)
from minerva_desktop.ui.chat_view.rows import Run, runs_text

LANGUAGES = (
    *("python", "js", "ts", "jsx", "c", "cpp", "rust", "go", "java", "kotlin", "swift", "bash"),
    *("sql", "html", "css", "scss", "json", "yaml", "toml", "xml", "ruby", "php", "lua", "r"),
    *("julia", "haskell", "diff", "dockerfile", "make", "latex", "powershell", "csharp", "scala"),
    *("perl", "ini", "elixir", "console"),
)
NASTY_LINES = st.sampled_from(['"""', "'''", "x = 1", "", "/*", "*/", "  y", "# c", "`"])


def highlighted(language: str, lines: list[str]) -> list[tuple[Run, ...]]:
    highlighter = LineHighlighter(language)
    for line in lines:
        highlighter.add(line)
    return highlighter.take_settled() + highlighter.open_lines()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_character_is_lost(language: str) -> None:
    lines = ['x = "a" + 1 // 2  # c', "", "\tif (a < b) { return '${x}'; }", "/* c", "*/ é 👍"] * 40
    assert [runs_text(runs) for runs in highlighted(language, lines)] == lines


CALLING = {  # languages whose lexers call functions of their own, and what makes them do so
    "markdown": ["# Title", "```python", "x = 1", "```", "end"],
    "http": ["HTTP/1.1 200 OK", "Content-Type: application/json", "", '{"a": 1}'],
    "postgresql": ["CREATE FUNCTION f() RETURNS int AS $$", "SELECT 1;", "$$ LANGUAGE sql;"],
    "rst": [".. code-block:: python", "", "   x = 1", "", "end"],
    "scheme": ["(define x 1.5)", "(display x)"],
    "sml": ["val x = Foo.bar 1", "fun f x = x"],
}


@pytest.mark.parametrize("language", CALLING)
def test_a_lexer_with_functions_of_its_own_gives_colours(language: str) -> None:
    lines = CALLING[language] * WINDOW
    runs = highlighted(language, lines)
    assert [runs_text(line) for line in runs] == lines
    assert any(run.token for line in runs[-len(CALLING[language]) :] for run in line)


@pytest.mark.parametrize("language", ["markdown", "python", "latex", "html", "yaml", "http"])
def test_each_character_has_the_colour_that_pygments_gives_it(language: str) -> None:
    lines = [*CALLING["markdown"], *CALLING["http"], "<p class='a'>b</p>", "k: {v: 'w'} # c", "$x$"]
    unprocessed = get_lexer_by_name(language).get_tokens_unprocessed("\n".join(lines) + "\n")
    expected = [
        (character, kind)
        for _, kind, text in unprocessed
        for character in text
        if character != "\n"
    ]
    found = [
        (character, string_to_tokentype(run.token))
        for line in highlighted(language, lines)
        for run in line
        for character in run.text
    ]
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert all(
        mine is kind or (mine is Token and string_to_tokentype("Text") in kind.split())
        for (_, mine), (_, kind) in zip(found, expected, strict=True)
    )


def test_a_lexer_that_fails_costs_the_colours_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(lexer: HttpLexer, match: re.Match[str]) -> Never:
        raise IndexError(match.group())

    rules = [(re.compile("HTTP").match, fail, None)]
    monkeypatch.setattr(HttpLexer, "_tokens", {"root": rules}, raising=False)
    lines = ["GET", *["HTTP/1.1 200 OK"] * (2 * WINDOW), "end"]
    assert [runs_text(line) for line in highlighted("http", lines)] == lines
    assert "the lexer for HTTP failed" in caplog.text


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(['"""', "'''", "x = 1", "", "/*", "*/", "  y", "# c", "`"]), max_size=150
    )
)
def test_settled_lines_do_not_depend_on_when_they_are_taken(lines: list[str]) -> None:
    for language in ("python", "javascript", "yaml"):
        stepwise = LineHighlighter(language)
        taken: list[tuple[Run, ...]] = []
        for line in lines:
            stepwise.add(line)
            taken += stepwise.take_settled()
            stepwise.open_lines()
        assert taken + stepwise.open_lines() == highlighted(language, lines)


def test_a_long_string_keeps_its_colour_beyond_the_window() -> None:
    lines = ['text = """', *["a line"] * (4 * WINDOW), '"""', "x = 1"]
    runs = highlighted("python", lines)
    assert {run.token for line in runs[1:-2] for run in line} == {"Literal.String.Double"}
    assert runs[-1][-1].token == "Literal.Number.Integer"


def test_a_comment_over_several_lines() -> None:
    runs = highlighted("javascript", ["/* one", "two", "*/", "var x = 1;"])
    assert {run.token for line in runs[:3] for run in line} == {"Comment.Multiline"}
    assert runs[3][0].token.startswith("Keyword")


def test_an_overlong_line_ends_the_colours_not_the_text() -> None:
    lines = ["x = 1", "y" * (MAX_LINE_LENGTH + 1), "x = 1"]
    runs = highlighted("python", lines)
    assert [runs_text(line) for line in runs] == lines
    assert runs[2] == (Run("x = 1"),)


def test_cost_per_line_does_not_grow() -> None:
    highlighter = LineHighlighter("python")
    lines = ["def f(x):", "    return x + 1  # comment"] * 30

    def seconds() -> float:
        started = time.thread_time()
        for line in lines:
            highlighter.add(line)
            highlighter.open_lines()
        return time.thread_time() - started

    early = min(seconds() for _ in range(3))
    for line in lines * 20:
        highlighter.add(line)
    # Twenty times as much stands above; a busy machine doubles the time of equal work.
    assert min(seconds() for _ in range(3)) < 5 * early


def test_names_and_styles() -> None:
    preload_highlighting(["friendly"])
    assert language_name("py") == "Python"
    assert language_name("no such language") == "no such language"
    assert language_name("") == ""
    assert token_style("friendly", "Keyword").bold
    assert token_style("github-dark", "Comment").colour.startswith("#")


@pytest.mark.parametrize(
    ("language", "code"),
    [("nix", "x = ''\n  a\n'';"), ("agda", "{-# OPTIONS --safe #-}"), ("boa", "a: Project;")],
)
def test_a_kind_that_no_style_knows_looks_like_its_parent(language: str, code: str) -> None:
    """Such code kept its message from being shown at all."""
    for runs in highlighted(language, code.split("\n")):
        for run in runs:
            token_style("default", run.token or "Token")
    assert token_style("default", "Literal.String.Multiline") == token_style(
        "default", "Literal.String"
    )


def test_a_lexer_that_adds_text_leaves_the_code_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of tnt does: a line more than there are kept the message from being shown."""

    def add(_lexer: HttpLexer, match: re.Match[str]) -> Iterator[tuple[int, object, str]]:
        yield match.start(), Token, f"{match.group()}\nmore\n"

    rules = [(re.compile("HTTP").match, add, None)]
    monkeypatch.setattr(HttpLexer, "_tokens", {"root": rules}, raising=False)
    monkeypatch.setattr(HttpLexer, "get_tokens_unprocessed", lambda *_: [(0, Token, "x")])
    lines = ["GET", "HTTP/1.1", "Host: a.b"]
    assert [runs_text(line) for line in highlighted("http", lines)] == lines
