"""What the details of an answer say."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.ui.chat_view.answer_details import (
    AnswerDetails,
    TimeChart,
    facts_of,
    parameters_text,
)
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import LIGHT
from tests.ui.chat_view.messages import answer, ended
from tests.ui.parts import colour_at

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

TIMINGS = Timings(
    queue_ms=100.0,
    prompt_tokens=1_204,
    cached_tokens=896,
    prefill_ms=400.0,
    first_token_ms=510.0,
    completion_tokens=101,
    decode_ms=1_500.0,
)
DONE = Completion(
    finish_reason=FinishReason.STOP,
    timings=TIMINGS,
    seed=42,
    placement="CPU",
    restored_tokens=512,
    drafted_tokens=80,
    accepted_tokens=60,
)


def test_all_that_is_known_is_said() -> None:
    sampling = SamplingParameters(temperature=0.2, stop=("###",), seed=42)
    message = msgspec.structs.replace(ended(answer(""), "Text", completion=DONE), sampling=sampling)
    facts = dict(facts_of(message, "Tiny · Q4_1"))
    del facts["Asked"]
    assert facts == {
        "Model": "Tiny · Q4_1",
        "Ran on": "CPU",
        "Ended": "by itself",
        "Parameters": 'temperature 0.2, stop ["###"]',
        "Seed": "42",
        "Prompt": "1,204 tokens, 896 known already (512 from disk), 770 tokens/s",
        "Answer": "101 tokens, 66.7 tokens/s",
        "Context used": "1,305 tokens",
        "Guessed ahead": "60 of 80 were right",
    }


def test_that_a_person_edited_it_is_said() -> None:
    edited = msgspec.structs.replace(answer("Text"), edited_at=1_700_000_000.0)
    facts = dict(facts_of(edited, "Tiny"))
    when = f"{datetime.fromtimestamp(1_700_000_000.0).astimezone():%Y-%m-%d %H:%M:%S}"
    assert list(facts) == ["Model", "Asked", "Edited"]
    assert facts["Edited"] == f"by you, {when}"
    gone_on = dict(facts_of(ended(edited, "Text and more", completion=DONE), "Tiny"))
    words = ". The numbers are of what the model wrote behind that"
    assert gone_on["Edited"] == f"by you, {when}{words}"
    assert (gone_on["Ended"], gone_on["Answer"]) == ("by itself", "101 tokens, 66.7 tokens/s")


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (MessageState.COMPLETE, FinishReason.LENGTH, "at its limit of tokens"),
        (MessageState.STOPPED, FinishReason.CANCELLED, "when you stopped it"),
        (MessageState.INTERRUPTED, FinishReason.STOP, "when Minerva ended"),
        (MessageState.FAILED, FinishReason.STOP, "with an error"),
    ],
)
def test_how_it_ended(state: MessageState, reason: FinishReason, expected: str) -> None:
    completion = msgspec.structs.replace(DONE, finish_reason=reason)
    message = ended(answer(""), "Text", state, completion)
    assert dict(facts_of(message, ""))["Ended"] == expected


def test_it_ended_in_a_full_context() -> None:
    full = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH, full_context=4096)
    message = ended(answer(""), "Text", MessageState.COMPLETE, full)
    assert dict(facts_of(message, ""))["Ended"] == "in a full context of 4,096 tokens"


def test_an_old_answer_has_only_what_was_kept() -> None:
    message = ended(answer(""), "Text", MessageState.INTERRUPTED, None)
    assert [name for name, _ in facts_of(message, "Tiny")] == ["Model", "Asked", "Ended"]
    assert parameters_text(SamplingParameters(seed=7)) == "all at their defaults"


def test_an_imported_answer_without_the_size_of_its_prompt() -> None:
    """It said "Prompt 0 tokens", and that the answer's tokens were all of the context."""
    timings = Timings(completion_tokens=41)
    completion = Completion(finish_reason=FinishReason.STOP, timings=timings, seed=None)
    facts = dict(facts_of(ended(answer(""), "Text", completion=completion), "Tiny"))
    assert facts["Answer"] == "41 tokens"
    single = msgspec.structs.replace(completion, timings=Timings(completion_tokens=1))
    facts = dict(facts_of(ended(answer(""), "Text", completion=single), "Tiny"))
    assert facts["Answer"] == "1 token"
    assert not {"Prompt", "Context used"} & facts.keys()


def test_the_popup_is_read_out_and_closes(qtbot: QtBot, icons: Icons) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(700, 600)
    window.show()
    details = AnswerDetails(icons, ended(answer(""), "Text", completion=DONE), "Tiny", window)
    details.open_at(window.mapToGlobal(QPoint(650, 580)))
    assert window.geometry().contains(details.geometry())
    assert "Time: Waiting 100 ms, Reading 400 ms, Writing 1.5 s" in (
        details.accessibleDescription().splitlines()
    )
    QTest.keyClick(details, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == details.accessibleDescription()
    with qtbot.waitSignal(details.destroyed):
        QTest.keyClick(details, Qt.Key.Key_Escape)


def test_the_bar_is_divided_as_the_time_was(qtbot: QtBot, icons: Icons) -> None:
    chart = TimeChart(icons, TIMINGS)
    qtbot.addWidget(chart)
    chart.resize(400, chart.height())
    at = {x: colour_at(chart, QPoint(x, 4)) for x in (10, 30, 90, 110, 390)}
    waiting, reading, writing = LIGHT.series[3], LIGHT.series[1], LIGHT.series[0]
    assert at == {10: waiting, 30: reading, 90: reading, 110: writing, 390: writing}
