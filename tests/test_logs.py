"""The log file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from minerva_desktop.logs import start_logging, terminal_line


def test_a_file_name_that_is_no_utf_8_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        start_logging(tmp_path)
        logging.getLogger("minerva_desktop").info("%s is there", "odd \udcff.gguf")
        _, file = root.handlers
        file.close()
    finally:
        root.setLevel(level)
    assert "odd \\udcff.gguf is there" in (tmp_path / "minerva.log").read_text("utf-8")
    assert "Logging error" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to write to")
def test_a_full_disk_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "minerva.log").symlink_to("/dev/full")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        start_logging(tmp_path)
        for number in range(3):
            logging.getLogger("minerva_desktop").info("line %d", number)
        logging.getLogger("minerva_desktop").warning("a warning")
        _, handler = root.handlers
        with pytest.raises(OSError, match="No space"):
            handler.close()
    finally:
        root.setLevel(level)
    file = tmp_path / "minerva.log"
    assert capsys.readouterr().err.splitlines() == [
        f"WARNING: The log file {file} cannot be written: the disk is full",
        "WARNING: a warning",
    ]


def test_errors_of_loggers_that_are_told_otherwise_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        start_logging(None, told_otherwise=["tests.pool"])
        logging.getLogger("tests.pool").warning("told otherwise")
        logging.getLogger("tests.other").warning("a warning")
        logging.getLogger("tests.pool").error("an error")
    finally:
        root.setLevel(level)
    assert capsys.readouterr().err == "WARNING: a warning\nERROR: an error\n"


def test_a_terminal_line_keeps_spaces_and_joined_words() -> None:
    assert terminal_line("a\u00a0b\u3000c") == "a b c"
    assert terminal_line("می\u200cخواهم 👩\u200d💻") == "می\u200cخواهم 👩\u200d💻"
    assert terminal_line("a\u200bb\u2028c\u202ed\x1be") == "a\ufffdb\ufffdc\ufffdd\ufffde"
