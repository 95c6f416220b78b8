"""Choosing, finding, adding and removing models, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QListView, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.enter_key import EnterKey
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import NO_TEMPLATE, PickerFit, PickerItem, unload_words
from minerva_desktop.ui.model_picker import ModelPicker
from tests.ui.parts import part

# What the offscreen platform says about every popup.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

SMOL = PickerItem(
    "/m/smollm2.gguf", "SmolLM2 135M", 98_000_000, "Q4_1", 8192, loaded=True, removable=False
)
GEMMA = PickerItem("/m/gemma.gguf", "Gemma 3 270M", 253_000_000, "Q4_K_M", 32_768)
GONE = PickerItem("/m/gone.gguf", "Mistral", problem="The file is not there any more")


@pytest.fixture
def picker(qtbot: QtBot, icons: Icons) -> ModelPicker:
    picker = ModelPicker(icons)
    qtbot.addWidget(picker)
    EnterKey(picker)  # as the main window has it
    picker.set_models([SMOL, GEMMA, GONE])
    picker.set_current(SMOL.path)
    with qtbot.waitExposed(picker):
        picker.show()
    return picker


def field(picker: ModelPicker) -> QLineEdit:
    return part(picker, QLineEdit, "pickerFilter")


def rows(picker: ModelPicker) -> list[str]:
    model = part(picker, QListView, "pickerList").model()
    return [model.index(row, 0).data() for row in range(model.rowCount(QModelIndex()))]


def test_button_tells_the_model_and_its_state(picker: ModelPicker) -> None:
    assert picker.accessibleName() == "Model: SmolLM2 135M"
    assert picker.accessibleDescription() == (
        "SmolLM2 135M, Q4_1 · 98.0 MB · 8,192 tokens context, loaded"
    )
    picker.set_current(GEMMA.path)
    assert picker.accessibleDescription().endswith("not loaded")
    picker.set_current("")
    assert picker.accessibleName() == "Model: none"
    assert picker.current is None


def test_typing_filters_and_enter_chooses(qtbot: QtBot, picker: ModelPicker) -> None:
    QTest.keyClick(picker, Qt.Key.Key_Return)
    assert rows(picker) == ["SmolLM2 135M", "Gemma 3 270M", "Mistral"]
    QTest.keyClicks(field(picker), "270 gem")
    assert rows(picker) == ["Gemma 3 270M"]
    with qtbot.waitSignal(picker.selected) as chosen:
        QTest.keyClick(field(picker), Qt.Key.Key_Return)
    assert chosen.args == [GEMMA.path]
    assert not field(picker).isVisible()


def test_arrows_choose_and_escape_closes(qtbot: QtBot, picker: ModelPicker) -> None:
    QTest.keyClick(picker, Qt.Key.Key_Down)
    with qtbot.assertNotEmitted(picker.selected):
        QTest.keyClick(field(picker), Qt.Key.Key_Escape)
    assert not field(picker).isVisible()
    picker.open_list()
    QTest.keyClick(field(picker), Qt.Key.Key_Down)
    with qtbot.waitSignal(picker.selected) as chosen:
        QTest.keyClick(field(picker), Qt.Key.Key_Return)
    assert chosen.args == [GEMMA.path]


def test_a_click_chooses(qtbot: QtBot, picker: ModelPicker) -> None:
    picker.open_list()
    view = part(picker, QListView, "pickerList")
    middle = view.visualRect(view.model().index(1, 0)).center()
    with qtbot.waitSignal(picker.selected) as chosen:
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert chosen.args == [GEMMA.path]


def test_the_last_step_down_is_add_model(qtbot: QtBot, picker: ModelPicker) -> None:
    picker.open_list()
    for _ in range(3):
        QTest.keyClick(field(picker), Qt.Key.Key_Down)
    add = part(picker, QPushButton, "addModelButton")
    assert QApplication.focusWidget() is add
    with qtbot.waitSignal(picker.add_requested):
        QTest.keyClick(add, Qt.Key.Key_Return)
    assert not add.isVisible()


def test_what_is_typed_at_add_model_is_searched(picker: ModelPicker) -> None:
    picker.open_list()
    for _ in range(3):
        QTest.keyClick(field(picker), Qt.Key.Key_Down)
    for key in (Qt.Key.Key_G, Qt.Key.Key_E, Qt.Key.Key_X, Qt.Key.Key_Backspace):
        focused = QApplication.focusWidget()
        assert focused is not None
        QTest.keyClick(focused, key)
    assert QApplication.focusWidget() is field(picker)
    assert field(picker).text() == "ge"


def test_delete_removes_what_can_be_removed(qtbot: QtBot, picker: ModelPicker) -> None:
    picker.open_list()
    with qtbot.assertNotEmitted(picker.remove_requested):
        QTest.keyClick(field(picker), Qt.Key.Key_Delete)  # the embedded model
    QTest.keyClick(field(picker), Qt.Key.Key_Down)
    with qtbot.waitSignal(picker.remove_requested) as removed:
        QTest.keyClick(field(picker), Qt.Key.Key_Delete)
    assert removed.args == [GEMMA.path]


def test_nothing_found_is_said(qtbot: QtBot, picker: ModelPicker) -> None:
    picker.open_list()
    QTest.keyClicks(field(picker), "zebra")
    labels = [label.text() for label in picker.findChildren(QLabel) if label.isVisible()]
    assert labels == ["Nothing found for “zebra”"]
    with qtbot.assertNotEmitted(picker.selected):
        QTest.keyClick(field(picker), Qt.Key.Key_Return)


def test_list_is_refreshed_while_it_is_open(qtbot: QtBot, picker: ModelPicker) -> None:
    picker.open_list()
    QTest.keyClick(field(picker), Qt.Key.Key_Down)
    new = PickerItem("/m/new.gguf", "Newcomer")
    picker.set_models([new, SMOL, GEMMA, GONE])
    assert rows(picker)[0] == "Newcomer"
    with qtbot.waitSignal(picker.selected) as chosen:
        QTest.keyClick(field(picker), Qt.Key.Key_Return)
    assert chosen.args == [GEMMA.path]


def test_problem_is_told_to_a_screen_reader(picker: ModelPicker) -> None:
    model = part(picker, QListView, "pickerList").model()
    spoken = model.index(2, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Mistral, The file is not there any more"


def test_a_hostile_name_is_shown_as_text(picker: ModelPicker) -> None:
    hostile = PickerItem("/m/<img src='/dev/zero'>.gguf", "<img src='/dev/zero'> & Co")
    picker.set_models([hostile])
    picker.set_current(hostile.path)
    assert "<img" not in picker.toolTip()
    model = part(picker, QListView, "pickerList").model()
    assert "<img" not in model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    picker.grab()


def test_what_will_go_is_readable(picker: ModelPicker) -> None:
    metrics = picker.fontMetrics()
    long = "Qwen2.5-Coder-32B-Instruct-abliterated-imatrix"
    assert unload_words(("Ant",), metrics, 400) == "Unloads Ant"
    words = unload_words((long, f"Old-{long}"), metrics, 400)
    assert metrics.horizontalAdvance(words) <= 400
    first, second = words.removeprefix("Unloads ").split(" and ")
    assert (first[:4], first[-4:], second[:4], second[-4:]) == ("Qwen", "trix", "Old-", "trix")
    fit = PickerFit("Fits", "success", "Takes 1 GB", (long, "Ant"))
    picker.set_fit(GEMMA.path, fit)
    tip = part(picker, QListView, "pickerList").model().index(1, 0)
    assert f"Loading it unloads {long} and Ant" in tip.data(Qt.ItemDataRole.ToolTipRole)


def test_what_cannot_chat_has_no_badge(picker: ModelPicker) -> None:
    embeds = PickerItem("/m/e.gguf", "MiniLM", quantisation="Q8_0", makes_embeddings=True)
    picker.set_models([SMOL, GEMMA, GONE, embeds])
    assert picker.ratable == (SMOL.path, GEMMA.path)
    picker.set_fit(embeds.path, PickerFit("Fits", "success", "Takes 1 GB"))
    model = part(picker, QListView, "pickerList").model()
    spoken = model.index(3, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "MiniLM, Embeddings only · Q8_0"


def test_a_load_that_cannot_succeed_says_why(picker: ModelPicker) -> None:
    """Of a loaded model, too, which would be loaded anew with the options that were saved since;
    how well it fits is no matter of its."""
    model = part(picker, QListView, "pickerList").model()
    why = "Heads of 80 numbers"
    refused = PickerFit("Won’t load", "danger", why, is_refused=True)
    too_large = PickerFit("Won’t fit", "danger", "It needs 9 GB")
    saved = "Its saved options won’t load: Heads of 80 numbers"
    for path, fit, trouble in (
        (GEMMA.path, refused, why),
        (GEMMA.path, too_large, ""),
        (SMOL.path, refused, saved),
        (SMOL.path, too_large, "Its saved options won’t fit: It needs 9 GB"),
        (SMOL.path, PickerFit("Needs offload", "warning", "Takes 1 GB"), ""),
    ):
        picker.set_fit(path, fit)
        index = model.index(0 if path == SMOL.path else 1, 0)
        item = index.data(Qt.ItemDataRole.UserRole)
        assert item.trouble == trouble
        assert (item.shown_fit is None) == item.loaded
        assert trouble in index.data(Qt.ItemDataRole.AccessibleTextRole)
        assert trouble in index.data(Qt.ItemDataRole.ToolTipRole)
    assert set(picker.ratable) == {SMOL.path, GEMMA.path}


def test_a_model_without_a_chat_template_says_so(picker: ModelPicker) -> None:
    base = replace(GEMMA, lacks_template=True)
    picker.set_models([SMOL, base, replace(GONE, lacks_template=True)])
    model = part(picker, QListView, "pickerList").model()
    spoken = [model.index(row, 0).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(3)]
    assert [NO_TEMPLATE in words for words in spoken] == [False, True, False]
    assert "ChatML stands in" in model.index(1, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_the_list_stays_within_its_window(qtbot: QtBot, icons: Icons) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(700, 300)
    picker = ModelPicker(icons, window)
    picker.set_models([SMOL])
    popup = part(picker, QWidget, "pickerPopup")
    for left, expected in ((100, 100), (300, 700 - 8 - popup.width())):
        picker.move(left, 10)
        window.show()
        picker.open_list()
        assert popup.x() - window.mapToGlobal(QPoint(0, 0)).x() == pytest.approx(expected, abs=1)
        popup.hide()
