"""Commands run in the test's own process, so what they leave in it has to go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main
from tests.store.impatience import wait_briefly

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take away the handlers of the root logger that a command added."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chats that a window has open are waited for a tenth of a second."""
    wait_briefly(monkeypatch)


@pytest.fixture
def run(
    minerva_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs `minerva chats` with these arguments in an empty folder, and gives its exit code, its
    output and its errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["chats", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
