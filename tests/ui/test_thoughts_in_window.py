"""A model that thinks, in the whole window: shown while it does, cut, gone on with, and kept."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.chat_view.thought_block import ThoughtBlock
from tests.engine.models import write_with_templates
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

TEMPLATE = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: <think>\\n' }}{% endif %}"
)
OPENING, CLOSING = 8, 9  # control tokens that nothing here needs
N_TOKENS = 8


@pytest.fixture
def catalog(minerva_home: Path, small_path: Path, tmp_path: Path) -> Catalog:
    """With a model alone whose template opens a train of thought."""
    path = tmp_path / "thinking.gguf"
    marks = {OPENING: "<think>", CLOSING: "</think>"}
    write_with_templates(path, small_path, {"": TEMPLATE}, marks)
    minerva_home.mkdir(parents=True, exist_ok=True)
    return Catalog(minerva_home / "models.json", embedded=path)


def _use(closing_bias: float, grammar: str | None = None) -> None:
    sampling = SamplingParameters(
        temperature=0.0,
        max_tokens=N_TOKENS,
        logit_bias={CLOSING: closing_bias},
        grammar=grammar,
    )
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(Settings(sampling=sampling))


def _said(opened: OpenWindow) -> list[str]:
    return [label.text() for label in opened.window.chat_view.findChildren(QLabel)]


def test_a_thought_is_cut_and_goes_on_and_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _use(-100.0)  # it never comes to an end
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.send("Hello")
        cut = f"The model was cut off while it was thinking, at its limit of {N_TOKENS} tokens."
        opened.until("end", lambda: cut in _said(opened))
        (block,) = opened.window.chat_view.findChildren(ThoughtBlock)
        first = block.source
        assert len(first) > N_TOKENS
        assert "<think>" not in first
        assert block.heading.text().startswith("Thought for ")
        assert opened.transcript == "Hello\n\n"

        buttons = opened.window.chat_view.findChildren(QPushButton)
        (go_on,) = [each for each in buttons if each.text() == "Continue" and each.isVisible()]
        QTest.mouseClick(go_on, Qt.MouseButton.LeftButton)
        both = cut.replace(f" {N_TOKENS} ", f" {2 * N_TOKENS} ")
        opened.until("end", lambda: both in _said(opened))
        (block,) = opened.window.chat_view.findChildren(ThoughtBlock)
        whole = block.source
        assert whole.startswith(first)
        assert len(whole) > len(first)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as again:
        again.until("chat", lambda: both in _said(again))
        (block,) = again.window.chat_view.findChildren(ThoughtBlock)
        assert block.source == whole


def test_an_empty_thought_leaves_nothing_but_the_answer(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    _use(100.0, 'root ::= "Yes"')
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.send("Hello")
        opened.until("answer", lambda: opened.transcript == "Hello\n\nYes")
        opened.until("end", lambda: not opened.is_answering)
        assert opened.window.chat_view.findChildren(ThoughtBlock) == []
