"""`minerva chat` at a terminal: what is typed, pasted and interrupted."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from minerva_desktop.app.terminal_chat import LoadProgress
from minerva_desktop.app.terminal_prompt import EDITS_LINES, HINT, NO_TEXT, Prompt
from minerva_desktop.engine.pool_events import ModelGone, ModelLoading
from minerva_desktop.errors import MinervaError
from tests.app.terminal import Terminal
from tests.patience import SECONDS

PASTE = "\x1b[200~{}\x1b[201~"  # as a terminal sends it

needs_readline = pytest.mark.skipif(not EDITS_LINES, reason="this Python has no GNU readline")


@pytest.fixture
def endless(small_path: Path) -> list[str]:
    """A chat whose answers are as long as they like, and never make sense."""
    return [sys.executable, "-m", "minerva_desktop", "chat", str(small_path), "--seed", "1"]


@pytest.fixture
def chat(endless: list[str]) -> list[str]:
    """A chat whose answers are short."""
    return [*endless, "--max-tokens", "2"]


@needs_readline
def test_a_paste_of_many_lines_is_one_message(chat: list[str]) -> None:
    with Terminal(chat) as terminal:
        terminal.wait_for("> ")
        terminal.press(PASTE.format("The first line\rThe \x03 second\r\rThe last") + "\r")
        terminal.wait_for("last")
        terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert terminal.shown.count("> ") == 2
    assert terminal.shown.count(HINT) == 1  # of the banner: it was not taken for a given-up line


@needs_readline
def test_a_message_may_be_longer_than_a_terminals_line(chat: list[str]) -> None:
    with Terminal([*chat, "--n-ctx", "256"]) as terminal:
        terminal.wait_for("> ")
        terminal.press("word " * 1200 + "\r")
        assert "required 1,2" in terminal.wait_for("\r\n\x1b[?2004h> ")


def test_ctrl_c_at_the_prompt_gives_a_new_one_and_says_once_how_to_leave(chat: list[str]) -> None:
    with Terminal(chat) as terminal:
        terminal.wait_for(HINT)  # of the banner
        terminal.wait_for("> ")
        terminal.press("Hello\r")
        terminal.wait_for("\n")
        terminal.wait_for("> ")
        terminal.press("\x03")
        terminal.wait_for(HINT)
        terminal.wait_for("> ")
        terminal.press("never mind\x03")
        terminal.wait_for("never mind")
        terminal.wait_for("> ")
        terminal.press("\x03")
        terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0
        assert terminal.is_as_usual()
    assert terminal.shown.count(HINT) == 2


def test_ctrl_c_ends_an_answer_and_not_the_chat(endless: list[str]) -> None:
    with Terminal(endless) as terminal:
        terminal.wait_for("> ")
        terminal.press("Tell a very long story.\r")
        terminal.wait_for("story.\r\n")
        terminal.wait_for(" ")
        terminal.press("\x03")
        terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert terminal.shown.count(HINT) == 1


def test_ctrl_c_is_the_same_where_the_answers_go_into_a_file(
    chat: list[str], tmp_path: Path
) -> None:
    with (
        (tmp_path / "answers").open("wb") as answers,
        Terminal(chat, stdout=answers.fileno()) as terminal,
    ):
        terminal.wait_for("> ")
        terminal.press("\x03")
        terminal.wait_for(HINT)
        terminal.wait_for("> ")
        terminal.press("Hello\r")
        terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert (tmp_path / "answers").read_text().strip()


def test_sigterm_at_the_prompt_leaves_the_terminal_as_it_was(chat: list[str]) -> None:
    with Terminal(chat) as terminal:
        terminal.wait_for("> ")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert terminal.is_as_usual()


class Screen(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_model_that_goes_leaves_the_line_that_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    news, path = LoadProgress(), Path("/m.gguf")
    news(ModelGone(path))
    assert screen.getvalue() == ""
    news(ModelLoading(path, 0.5))
    news(ModelGone(path))
    news(ModelGone(path))
    assert screen.getvalue() == "\rLoading the model  50% \r\x1b[K"


@pytest.mark.parametrize("has_file", [False, True])
def test_bytes_that_are_no_text_do_not_end_a_chat_at_a_terminal(
    chat: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_file: bool
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as in most people's languages
    with (
        (tmp_path / "answers").open("wb") as answers,
        Terminal(chat, stdout=answers.fileno() if has_file else None) as terminal,
    ):
        terminal.wait_for("> ")
        terminal.press("caf\udcff\r")
        terminal.wait_for(NO_TEXT)
        terminal.wait_for("> ")
        if has_file:  # else readline has Ctrl+D, and it does nothing within a line
            terminal.press("caf\udce9\x04\x04")
            terminal.wait_for(NO_TEXT)
            terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0


@needs_readline
def test_a_line_that_was_given_up_does_not_come_back(chat: list[str]) -> None:
    with Terminal(chat) as terminal:
        terminal.wait_for("> ")
        terminal.press("Hello\r")
        terminal.wait_for("\n")
        terminal.wait_for("> ")
        terminal.press("never mind\x03")
        terminal.wait_for("never mind")
        terminal.wait_for("> ")
        terminal.press("\x1b[A")
        terminal.wait_for("Hello")
        terminal.press("\r")
        terminal.wait_for("> ")
        terminal.press("\x04")
        assert terminal.end() == 0


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # as in other locales
def test_bytes_that_are_no_text_are_told(chat: list[str], errors: str) -> None:
    """What is text before them is answered."""
    env = os.environ | {"PYTHONIOENCODING": f"utf-8:{errors}"}
    text = b"Hello\n\ncaf\xe9\nHello\n"
    done = subprocess.run(
        chat, input=text, capture_output=True, env=env, timeout=SECONDS, check=False
    )
    assert (done.returncode, bool(done.stdout.strip())) == (1, True)
    assert done.stderr.decode() == (
        "minerva: Line 3 of the standard input is no text in UTF-8: convert it, as with"
        " “iconv -f latin1 -t utf-8”\n"
    )


@pytest.fixture
def unreadable() -> Iterator[TextIO]:
    with Path(os.devnull).open("w") as stream:
        yield stream


async def test_a_standard_input_that_cannot_be_read_ends_the_chat(
    unreadable: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", unreadable)
    with pytest.raises(MinervaError, match=r"input could not be read: not readable$"):
        _ = [message async for message in Prompt().messages()]
