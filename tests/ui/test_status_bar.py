"""Numbers that can be trusted, and a bar that never overlaps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QAccessibleActionInterface, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.context_meter import ContextMeter
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.memory_gauge import (
    BAR_WIDTH,
    SMALL_BAR_WIDTH,
    DeviceBar,
    GaugeForm,
    MemoryGauge,
)
from minerva_desktop.ui.status_bar import ServerState, ServerToggle, StatusBar
from minerva_desktop.ui.theme import LIGHT, ThemeSource
from tests.ui.loaded import FIRST, GB, RAM, SECOND, device, shares
from tests.ui.parts import colour_at, part

URL = "http://127.0.0.1:8427/v1"


@pytest.fixture
def bar(qtbot: QtBot, icons: Icons) -> StatusBar:
    bar = StatusBar(icons)
    qtbot.addWidget(bar)
    bar.resize(1280, bar.height())
    with qtbot.waitExposed(bar):
        bar.show()
    return bar


def fill(bar: StatusBar) -> None:
    bar.set_memory(shares(device(24 * GB, GB, 3 * GB, name="NVIDIA GeForce RTX 4090")))
    bar.set_context(1204, 8192)
    bar.set_speed(42.13, 120.0)
    bar.set_server(ServerState.ON, URL)


@pytest.fixture
def gauge(qtbot: QtBot, themes: ThemeSource) -> MemoryGauge:
    gauge = MemoryGauge(themes)
    qtbot.addWidget(gauge)
    return gauge


def test_gauge_says_who_uses_the_memory(gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(device(24 * GB, GB, 3 * GB, budget=6 * GB, detail="It is warm")))
    assert gauge.summary == gauge.accessibleName() == "Memory 4.0 of 24.0 GB"
    spoken = gauge.accessibleDescription()
    assert "Models of this app: 1.0 GB of at most 6.0 GB." in spoken
    assert "Other programs: 3.0 GB" in spoken
    assert "Free: 20.0 GB" in spoken
    assert "It is warm" in gauge.toolTip()


def test_gauge_draws_the_shares_in_their_colours_and_the_budget(gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(device(4 * GB, GB, GB, budget=3 * GB)))
    gauge.resize(gauge.sizeHint())

    def colour_at_eighth(eighths: int) -> str:
        left = gauge.width() - BAR_WIDTH
        return colour_at(gauge, QPoint(left + eighths * BAR_WIDTH // 8, gauge.height() // 2))

    assert colour_at_eighth(1) == LIGHT.accent
    assert colour_at_eighth(3) == LIGHT.muted
    assert colour_at_eighth(5) not in (LIGHT.accent, LIGHT.muted)
    assert colour_at_eighth(7) == colour_at_eighth(5) != colour_at_eighth(6)


def test_gauge_never_shows_the_unknown_as_zero(gauge: MemoryGauge) -> None:
    assert gauge.summary == "Memory –"
    assert "It could not be measured" in gauge.accessibleDescription()
    assert "0 bytes" not in gauge.accessibleDescription()


def test_gpu_name_is_shown_as_text(gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(device(GB, 0, 0, name="<b>GPU</b>\nX")))
    assert gauge.summary.startswith("<b>GPU</b> X ")
    assert "<b>" not in gauge.toolTip()


def shown_bars(gauge: MemoryGauge) -> list[DeviceBar]:
    return [bar for bar in gauge.findChildren(DeviceBar) if not bar.isHidden()]


def test_each_memory_has_a_bar_of_its_own(gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(RAM, FIRST, SECOND))
    gauge.resize(gauge.sizeHint())
    bars = shown_bars(gauge)
    assert [bar.text for bar in bars] == [
        "RAM 8.0 of 32.0 GB",
        "GPU 1 19.0 of 24.0 GB",
        "GPU 2 6.0 of 12.0 GB",
    ]
    assert gauge.accessibleName() == ", ".join(bar.text for bar in bars)
    assert [bar.accessibleName() for bar in bars] == [
        "RAM 8.0 of 32.0 GB",
        "NVIDIA RTX 4090 19.0 of 24.0 GB",
        "NVIDIA RTX 3060 6.0 of 12.0 GB",
    ]
    assert "NVIDIA RTX 4090: 24.0 GB in all" in bars[1].toolTip()
    assert "RTX 3060" not in bars[1].toolTip()
    assert "Models of this app: 18.0 GB of at most 19.0 GB" in bars[1].accessibleDescription()
    spans = [(bar.x(), bar.x() + bar.width()) for bar in bars]
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    assert spans[-1][1] == gauge.width()
    gauge.grab()  # which lays it out
    bar = bars[1]
    left, middle = bar.width() - SMALL_BAR_WIDTH, bar.height() // 2
    place = bar.mapTo(gauge, QPoint(left + SMALL_BAR_WIDTH // 3, middle))
    assert colour_at(gauge, place) == LIGHT.accent


def test_a_click_on_any_bar_is_one_on_the_gauge(qtbot: QtBot, gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(RAM, FIRST, SECOND))
    gauge.resize(gauge.sizeHint())
    gauge.show()
    for bar in shown_bars(gauge):
        with qtbot.waitSignal(gauge.clicked):
            QTest.mouseClick(bar, Qt.MouseButton.LeftButton)


def test_where_there_is_little_room_the_fullest_memory_stays(gauge: MemoryGauge) -> None:
    gauge.set_shares(shares(RAM, FIRST, SECOND))
    full = gauge.sizeHint().width()
    gauge.set_form(GaugeForm.BARS)
    assert [bar.text for bar in shown_bars(gauge)] == ["RAM", "GPU 1", "GPU 2"]
    bars = gauge.sizeHint().width()
    gauge.set_form(GaugeForm.LEAST)
    assert [bar.text for bar in shown_bars(gauge)] == ["GPU 1"]
    assert full > bars > gauge.sizeHint().width()
    gauge.set_shares(shares(RAM))  # the cards are gone
    assert [bar.text for bar in shown_bars(gauge)] == ["8.0 of 32.0 GB"]


@pytest.mark.parametrize(
    ("used", "n_ctx", "text", "warns"),
    [
        (1204, 8192, "1,204 / 8,192 tokens", False),
        (6963, 8192, "6,963 / 8,192 tokens", False),
        (6964, 8192, "6,964 / 8,192 tokens", True),
        (9000, 8192, "9,000 / 8,192 tokens", True),
        (None, 8192, "– / 8,192 tokens", False),
        (12, None, "12 / – tokens", False),
        (None, None, "Context –", False),
    ],
)
def test_context_meter(
    qtbot: QtBot, themes: ThemeSource, used: int | None, n_ctx: int | None, text: str, warns: bool
) -> None:
    meter = ContextMeter(themes)
    qtbot.addWidget(meter)
    meter.set_usage(used, n_ctx)
    assert meter.words == text
    assert meter.is_warning is warns
    assert meter.accessibleName() == f"Context: {text}"
    meter.grab()


def test_context_meter_of_a_chat_that_was_counted_in_part(
    qtbot: QtBot, themes: ThemeSource
) -> None:
    meter = ContextMeter(themes)
    qtbot.addWidget(meter)
    meter.set_usage(9040, 8192, is_all=False)
    assert meter.words == "> 9,040 / 8,192 tokens"
    assert meter.accessibleDescription() == "This chat is longer than the model's context"
    assert meter.is_outgrown
    meter.set_usage(9040, 8192)
    assert meter.words == "9,040 / 8,192 tokens"


def test_speed_label(bar: StatusBar) -> None:
    speed = part(bar, QLabel, "speedLabel")
    assert not speed.isVisible()
    bar.set_speed(42.13, 120.0)
    assert speed.text() == "42.1 tokens/s · first token 120 ms"
    bar.set_speed(None, 120.0)
    assert speed.text() == "first token 120 ms"
    bar.set_speed(None, None)
    assert not speed.isVisible()


def test_switch_reports_the_person_and_not_the_program(qtbot: QtBot, bar: StatusBar) -> None:
    switch = part(bar, QAbstractButton, "serverToggle")
    with qtbot.waitSignal(bar.server_toggled) as change:
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
    assert change.args == [True]
    with qtbot.waitSignal(bar.server_toggled) as change:
        QTest.keyClick(switch, Qt.Key.Key_Space)
    assert change.args == [False]
    with qtbot.assertNotEmitted(bar.server_toggled):
        bar.set_server(ServerState.STARTING)
        bar.set_server(ServerState.ON, URL)
    assert switch.isChecked()


def test_server_address_is_copied_by_a_click(qtbot: QtBot, bar: StatusBar) -> None:
    address = part(bar, QPushButton, "serverAddress")
    assert not address.isVisible()
    bar.set_server(ServerState.ON, URL)
    assert address.text() == URL
    QTest.mouseClick(address, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == URL


@pytest.mark.parametrize("width", [700, 1280])
def test_the_switch_stays_in_its_place_whatever_is_said(bar: StatusBar, width: int) -> None:
    bar.resize(width, bar.height())
    switch = part(bar, QAbstractButton, "serverToggle")
    places = set()
    for state, text in (
        (ServerState.OFF, ""),
        (ServerState.STARTING, ""),
        (ServerState.ON, URL),
        (ServerState.FAILED, "Port 8427 is used by another program"),
    ):
        bar.set_server(state, text)
        bar.grab()
        places.add(switch.mapTo(bar, QPoint(0, 0)).x())
    assert len(places) == 1


def test_failed_server_says_why_and_is_off(bar: StatusBar) -> None:
    bar.set_server(ServerState.FAILED, "Port 8427 is used by another program")
    switch = part(bar, QAbstractButton, "serverToggle")
    assert not switch.isChecked()
    assert "Port 8427 is used" in switch.toolTip()
    assert part(bar, QLabel, "serverNote").text() == "Port 8427 is used by another program"


@pytest.mark.parametrize("has_gpus", [False, True])
@pytest.mark.parametrize("width", [560, 700, 800, 900, 1000, 1280])
def test_nothing_overlaps_at_any_width(bar: StatusBar, width: int, has_gpus: bool) -> None:
    fill(bar)
    if has_gpus:
        bar.set_memory(shares(RAM, FIRST, SECOND))
    bar.resize(width, bar.height())
    bar.grab()
    names = (
        "memoryGauge",
        "contextMeter",
        "speedLabel",
        "serverAddress",
        "serverToggle",
        "serverDetailsButton",
    )
    found = [part(bar, QWidget, name) for name in names]
    spans = []
    for each in found:
        if each.isVisible():
            left = each.mapTo(bar, each.rect().topLeft()).x()
            spans.append((left, left + each.width()))
            assert each.width() >= each.sizeHint().width(), each.objectName()
    assert spans == sorted(spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert spans[-1][1] <= width
    assert all(each.isVisible() for each in found[:2])
    assert found[4].isVisible()


def test_words_come_back_when_there_is_room_again(bar: StatusBar) -> None:
    fill(bar)
    bar.resize(700, bar.height())
    bar.grab()
    address = part(bar, QPushButton, "serverAddress")
    assert not address.isVisible()
    bar.resize(1280, bar.height())
    bar.grab()
    assert address.isVisible()
    assert "first token" in part(bar, QLabel, "speedLabel").text()


def test_a_screen_reader_switches_the_server_too(qtbot: QtBot, icons: Icons) -> None:
    toggle = ServerToggle(icons)
    qtbot.addWidget(toggle)
    switch = part(toggle, QAbstractButton, "serverToggle")
    actions = QAccessible.queryAccessibleInterface(switch).actionInterface()
    assert actions is not None
    with qtbot.waitSignal(toggle.toggled) as switched:
        actions.doAction(QAccessibleActionInterface.toggleAction())
    assert switched.args == [True]
    with qtbot.assertNotEmitted(toggle.toggled):
        toggle.set_state(ServerState.OFF)
    assert not switch.isChecked()
