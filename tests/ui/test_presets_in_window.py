"""Presets in the whole window: chosen, kept, forgotten, and what new chats begin with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.preset_file import PresetFile, read_presets, write_presets
from minerva_desktop.chat.presets import Preset, PromptLibrary, Snippet
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_text
from minerva_desktop.settings import ModelOverrides, SettingsFile
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

BOLD = SamplingParameters(temperature=1.5)
TEACHER = Preset(name="Teacher", system_prompt="Teach.", sampling=BOLD)
POET = Preset(name="Poet", system_prompt="Rhyme.")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> Iterator[OpenWindow]:
    """The window of a person who has two presets, with the panel shown."""
    paths = app_paths()
    paths.create()
    write_presets(paths.presets, PromptLibrary(presets=(TEACHER, POET)))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.window.parameters.toggle_action.setChecked(True)
        yield opened


def title(opened: OpenWindow) -> str:
    return opened.part(QPushButton, "presetButton").text()


def note(opened: OpenWindow) -> str:
    return opened.part(QLabel, "presetNote").text()


def choose(opened: OpenWindow, words: str) -> None:
    """Press an entry of one of the two menus."""
    for button in (
        opened.part(QPushButton, "presetButton"),
        opened.part(QToolButton, "presetMore"),
    ):
        QTest.mouseClick(button, LEFT)
        menu = opened.window.parameters.presets.findChildren(QMenu)[-1]
        found = [each for each in menu.actions() if each.text() == words]
        if found:
            found[0].trigger()
            menu.close()
            return
        menu.close()
    raise AssertionError(f"no menu has {words}")


def press(opened: OpenWindow, action: str) -> None:
    """Press a button of the notice on display."""
    buttons = opened.window.notifications.findChildren(QPushButton)
    (button,) = [each for each in buttons if each.text() == action and each.isVisible()]
    QTest.mouseClick(button, LEFT)


def name_it(opened: OpenWindow, name: str) -> None:
    edit = opened.part(QLineEdit, "presetName")
    edit.selectAll()
    QTest.keyClicks(edit, name)
    QTest.keyClick(edit, Qt.Key.Key_Return)


def picked(opened: OpenWindow, path: Path) -> None:
    """Answer the file dialog."""
    dialog = opened.part(QFileDialog, "QFileDialog")
    dialog.filesSelected.emit([str(path)])
    dialog.close()


def model_words(opened: OpenWindow) -> str:
    """The chosen model's name, as a menu shows it."""
    current = opened.window.header.picker.current
    assert current is not None
    name = current.name
    return name if len(name) <= 32 else f"{name[:31]}…"


def says(opened: OpenWindow, words: str) -> bool:
    return opened.notice == words


def until_stored(opened: OpenWindow, of: Callable[[PromptLibrary], object], value: object) -> None:
    """Wait until that is on disk."""
    opened.until("presets on disk", lambda: of(read_presets(app_paths().presets)) == value)


def test_choosing_sets_the_chat_and_undo_brings_back_what_was_typed(opened: OpenWindow) -> None:
    panel, prompt = opened.window.parameters, opened.part(QPlainTextEdit, "systemPrompt")
    assert title(opened) == "Defaults"
    choose(opened, "Teacher")
    assert (title(opened), panel.values()) == ("Teacher", ("Teach.", BOLD))
    assert opened.settings.current.system_prompt == ""  # it is of this chat alone
    assert opened.notice == ""  # nothing of the person's own was lost
    QTest.keyClicks(prompt, "Be kind. ")
    assert title(opened) == "Custom"
    assert note(opened) == "Changed from Teacher."
    choose(opened, "Poet")
    assert panel.values() == ("Rhyme.", BOLD)  # it says nothing of the sampling
    assert opened.notice == "“Poet” replaced the settings of this chat."
    press(opened, "Undo")
    opened.until("what was typed", lambda: panel.values() == ("Be kind. Teach.", BOLD))
    assert note(opened) == "Changed from Teacher."
    choose(opened, "Defaults")
    assert panel.values() == ("", SamplingParameters())


def test_keeping_renaming_updating_and_deleting(opened: OpenWindow) -> None:
    panel, prompt = opened.window.parameters, opened.part(QPlainTextEdit, "systemPrompt")
    prompt.setPlainText("Be terse.")
    choose(opened, "Save as new…")
    name_it(opened, "Teacher")
    assert "There is a “Teacher” already" in opened.part(QLabel, "presetProblem").text()
    name_it(opened, "Terse")
    assert title(opened) == "Terse"
    prompt.setPlainText("Be very terse.")
    choose(opened, "Update")
    assert (title(opened), opened.notice) == ("Terse", "“Terse” was updated.")
    press(opened, "Undo")
    opened.until("preset of before", lambda: title(opened) == "Custom")
    assert note(opened) == "Changed from Terse."
    choose(opened, "Update")
    choose(opened, f"Use for new chats with {model_words(opened)}")
    choose(opened, "Rename…")
    name_it(opened, "Short")
    assert title(opened) == "Short"
    assert "begin with this preset" in note(opened)
    choose(opened, "Teacher")
    choose(opened, "Short")
    choose(opened, "Delete")
    assert opened.notice == "The preset “Short” was deleted."
    until_stored(opened, lambda each: each.preset("Short"), None)
    assert opened.settings.current.models == {}
    press(opened, "Undo")
    opened.until("deleted preset", lambda: title(opened) == "Short")
    kept = Preset(name="Short", system_prompt="Be very terse.", sampling=panel.values()[1])
    until_stored(opened, lambda each: each.presets, (TEACHER, POET, kept))
    (own,) = opened.settings.current.models.values()
    assert own == ModelOverrides(preset="Short")


def test_new_chats_begin_with_the_models_preset(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, small_path: Path
) -> None:
    paths = app_paths()
    paths.create()
    write_presets(paths.presets, PromptLibrary(presets=(TEACHER,)))
    SettingsFile(paths.settings).override(small_path, ModelOverrides(preset="Teacher"))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        panel = opened.window.parameters
        panel.toggle_action.setChecked(True)
        # The chat was there before the model was chosen.
        opened.until("preset", lambda: title(opened) == "Teacher")
        assert panel.values() == ("Teach.", BOLD)
        assert "begin with this preset" in note(opened)
        assert opened.settings.current.system_prompt == ""  # nobody set it
        prompt = opened.part(QPlainTextEdit, "systemPrompt")
        prompt.setPlainText("My own.")
        opened.window.header.picker.selected.emit(path_text(small_path))
        assert panel.values()[0] == "My own."  # what was typed is not replaced
        opened.window.sidebar.new_chat.emit()
        assert (title(opened), panel.values()) == ("Teacher", ("Teach.", BOLD))
        opened.until("model", lambda: opened.loaded_paths != [])


def test_presets_are_passed_on_in_files(opened: OpenWindow, tmp_path: Path) -> None:
    choose(opened, "Teacher")
    choose(opened, "Export…")
    one, everything = tmp_path / "one.json", tmp_path / "all.json"
    picked(opened, one)
    opened.until("notice", lambda: opened.notice == "Exported to one.json.")
    assert read_presets(one) == PromptLibrary(presets=(TEACHER,))
    opened.until("end of the dialog", lambda: not opened.window.findChildren(QFileDialog))
    choose(opened, "Export all…")
    picked(opened, everything)
    opened.until("notice", lambda: opened.notice == "Exported to all.json.")
    assert read_presets(everything).presets == (TEACHER, POET)
    shared = tmp_path / "shared.json"
    other = Preset(name="Teacher", system_prompt="Other.")
    write_presets(
        shared, PromptLibrary(presets=(POET, other), snippets=(Snippet(name="a", text="b"),))
    )
    bad = tmp_path / "bad.json"
    hot = Preset(name="Hot", sampling=SamplingParameters(temperature=99.0))
    write_presets(bad, PromptLibrary(presets=(Preset(name="New"), hot)))
    for path, words in (
        (
            shared,
            (
                "1 preset and 1 snippet were added."
                " Another thing had the name already, so there is now: “Teacher 2”."
            ),
        ),
        (shared, "There was nothing new in there."),
        (
            bad,
            (
                "bad.json, preset 2, “Hot”: temperature must be between 0.0 and 5.0, not 99.0."
                " Nothing was imported from this file: correct it, and import it again."
            ),
        ),
        (tmp_path / "none.json", "none.json could not be read: it is not there."),
    ):
        opened.until("end of the dialog", lambda: not opened.window.findChildren(QFileDialog))
        choose(opened, "Import…")
        picked(opened, path)
        opened.until("notice", functools.partial(says, opened, words))
    choose(opened, "Teacher 2")
    assert opened.window.parameters.values()[0] == "Other."


def test_a_damaged_file_is_told_and_kept(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    paths.presets.write_text("no JSON")
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("notice", lambda: "presets.json is no file of presets" in opened.notice)
        assert "It is kept as presets.json.unreadable" in opened.notice
        choose(opened, "Save as new…")
        name_it(opened, "New")
    assert PresetFile(paths.presets).current.preset("New") is not None


def test_a_disk_that_does_not_take_a_preset_is_told_and_gets_it_at_the_end(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        in_the_way = opened.paths.presets.with_name("presets.json.new")
        in_the_way.mkdir()
        opened.part(QPlainTextEdit, "systemPrompt").setPlainText("Be terse.")
        choose(opened, "Save as new…")
        name_it(opened, "Terse")
        opened.until("notice", lambda: "presets.json could not be written" in opened.notice)
        assert title(opened) == "Terse"
        in_the_way.rmdir()
    assert read_presets(opened.paths.presets).preset("Terse") is not None


def test_a_new_chat_has_nothing_from_the_one_before(opened: OpenWindow) -> None:
    panel = opened.window.parameters
    panel.apply("Be a pirate.", SamplingParameters(max_tokens=4))
    opened.send("Hi")
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    chat_id = opened.settings.current.conversation_id
    assert chat_id is not None
    state = SnapshotFiles(opened.paths.snapshots).path("model", chat_id)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"what it computed")
    panel.apply("Be a sailor.", SamplingParameters(max_tokens=4))
    opened.until("no state of another text", lambda: not state.exists())
    opened.window.sidebar.new_chat.emit()
    assert panel.values() == ("", SamplingParameters())


def have_a_chat(opened: OpenWindow) -> None:
    """With a message, whose answer is stopped."""
    opened.send("Say one")
    opened.until("answer", lambda: opened.is_answering)
    opened.press(Qt.Key.Key_Escape)
    opened.until("end of the answer", lambda: not opened.is_answering)


def test_ctrl_z_brings_back_a_prompt_that_a_preset_replaced_in_another_chat(
    opened: OpenWindow,
) -> None:
    panel, prompt = opened.window.parameters, opened.part(QPlainTextEdit, "systemPrompt")
    have_a_chat(opened)
    prompt.setPlainText("Be kind.")
    choose(opened, "Poet")
    assert opened.notice == "“Poet” replaced the settings of this chat."
    opened.window.sidebar.new_chat.emit()
    opened.until("new chat", lambda: "Say one" not in opened.transcript)
    assert opened.notice == ""
    opened.window.notifications.undo_last()
    opened.until("the chat again", lambda: "Say one" in opened.transcript)
    opened.until("prompt", lambda: panel.values()[0] == "Be kind.")


def test_undo_of_a_choice_leaves_what_was_typed_since(opened: OpenWindow) -> None:
    panel, prompt = opened.window.parameters, opened.part(QPlainTextEdit, "systemPrompt")
    prompt.setPlainText("Be kind.")
    choose(opened, "Poet")
    prompt.setPlainText("My own words.")
    opened.window.notifications.undo_last()
    opened.until(
        "word",
        lambda: says(opened, "The settings were changed since, so they stay as they are."),
    )
    assert panel.values()[0] == "My own words."


def test_a_choice_in_a_chat_that_was_never_sent_cannot_be_undone_from_another(
    opened: OpenWindow,
) -> None:
    panel, prompt = opened.window.parameters, opened.part(QPlainTextEdit, "systemPrompt")
    have_a_chat(opened)
    first = opened.settings.current.conversation_id
    prompt.setPlainText("Be short.")
    choose(opened, "Teacher")  # its step stays
    opened.window.sidebar.new_chat.emit()
    opened.until("new chat", lambda: "Say one" not in opened.transcript)
    prompt.setPlainText("Be kind.")
    choose(opened, "Poet")
    opened.window.sidebar.opened.emit(first, "")
    opened.until("the chat again", lambda: "Say one" in opened.transcript)
    opened.window.notifications.undo_last()
    opened.until("prompt", lambda: panel.values()[0] == "Be short.")
    assert opened.notice == "Undone: “Teacher” replaced the settings of this chat."
