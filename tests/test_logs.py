"""The log file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from minerva_desktop.logs import start_logging


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
