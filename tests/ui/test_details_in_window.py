"""The details of an answer, in the window: which model computed it then, not which is there now."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.chat_view.answer_details import AnswerDetails
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import do, on_disk, open_chat

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.mark.parametrize("quantisation", ["Q8_0", ""])
def test_details_name_the_quantisation_that_answered(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    model_path: Path,
    quantisation: str,
) -> None:
    conversation = make_conversation("One", "Un", title="Count")
    done = Completion(
        finish_reason=FinishReason.STOP, timings=Timings(), seed=1, quantisation=quantisation
    )
    answered_by = {"model": model_path.name, "completion": done}
    conversation.replace(msgspec.structs.replace(conversation.active_branch()[1], **answered_by))
    on_disk(conversation)
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        open_chat(opened, "Count", "Un")
        do(opened, 1, MessageAction.DETAILS)
        details = part(opened.window, AnswerDetails, "answerDetails")
        # Of the file that is there by this name now it says nothing: that is in Q4_1.
        model = details.accessibleDescription().splitlines()[0]
        expected = "Model: SmolLM2-135M-Instruct"
        assert model == (f"{expected} · {quantisation}" if quantisation else expected)
