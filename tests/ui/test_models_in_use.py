"""Models that are unloaded or removed in the real window, while something uses them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.ui.unloading import Purpose, Unloading
from tests.ui.served_window import click, serving

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_model_that_other_programs_use_is_unloaded_only_when_they_are_asked_about(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        current, eject = desk.opened.window.header.picker.current, desk.eject
        assert current is not None
        name = current.name
        clients = desk.ask(2)
        click(eject)
        desk.until_said(
            f"2 requests of other programs use {name}. Unloading it now breaks them off."
        )
        desk.press_notice("Cancel")
        assert desk.opened.notice == ""
        click(eject)
        desk.until_said("2 requests of other programs")
        desk.press_notice("Unload when they are done")
        assert desk.opened.notice == f"{name} is unloaded once nothing uses it any more."
        clients[0].leave()
        desk.opened.until("end of one", lambda: "Cancelled" in "".join(desk.rows[1:2]))
        assert clients[1].is_served
        assert eject.isEnabled()
        clients[1].leave()
        desk.opened.until("unloading", lambda: not eject.isEnabled())
        assert desk.opened.notice == ""

        (client,) = desk.ask()
        click(eject)
        desk.until_said(f"A request of another program uses {name}.")
        desk.press_notice("Unload when it is done")
        desk.press_notice("Unload now")
        desk.opened.until("unloading", lambda: not eject.isEnabled())
        client.leave()
        assert '"code":"model_unloaded"' in client.text
        desk.opened.until("rows", lambda: desk.has_row("Failed (503), "))
        click(desk.switch)  # nobody is asked once nobody uses it
        desk.opened.until("end", lambda: desk.state.startswith("Off."))


def test_a_model_that_other_programs_use_leaves_the_list_only_when_they_are_asked_about(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    mine = minerva_home.with_name("mine.gguf")
    shutil.copy(small_path, mine)
    Catalog(minerva_home / "models.json", embedded=small_path).add(mine)
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        opened, picker = desk.opened, desk.opened.window.header.picker

        def listed() -> list[str]:
            return [path_of(item.path).name for item in picker.items]

        def remove() -> None:
            picker.open_list()
            picker.remove_requested.emit(path_text(mine))
            desk.until_said("Removing it now breaks that off.")
            assert not picker.is_open

        opened.until("models", lambda: "mine.gguf" in listed())
        (client,) = desk.ask(model="mine")
        remove()
        desk.press_notice("Cancel")
        assert opened.notice == ""
        remove()
        desk.press_notice("Remove when it is done")
        assert opened.notice.endswith(" is removed from the list once nothing uses it any more.")
        assert client.is_served
        assert "mine.gguf" in listed()
        client.leave()
        opened.until("removal", lambda: "mine.gguf" not in listed())
        assert opened.notice == ""
        opened.window.files_dropped.emit([mine])
        opened.until("model", lambda: "mine.gguf" in listed())
        (client,) = desk.ask(model="mine")
        remove()
        desk.press_notice("Remove anyway")
        opened.until("removal", lambda: "mine.gguf" not in listed())
        client.leave()
        assert '"code":"model_unloaded"' in client.text


def test_a_model_that_a_request_has_yet_to_load_leaves_the_list_after_it(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    mine = minerva_home.with_name("mine.gguf")
    shutil.copy(small_path, mine)
    Catalog(minerva_home / "models.json", embedded=small_path).add(mine)
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        opened = desk.opened
        (unloading,) = opened.window.findChildren(Unloading)
        with opened.read_for(mine):
            unloading.begin(mine, Purpose.REMOVE)
            desk.until_said("Removing it now breaks that off.")
            desk.press_notice("Remove when it is done")
            (client,) = desk.ask(model="mine")
        assert opened.notice.endswith(" is removed from the list once nothing uses it any more.")
        with qtbot.waitSignal(unloading.removable) as removable:
            client.leave()
        assert removable.args == [mine]
        assert opened.notice == ""


def test_a_model_that_no_request_comes_to_load_after_all_goes_by_itself(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    mine = minerva_home.with_name("mine.gguf")
    shutil.copy(small_path, mine)
    Catalog(minerva_home / "models.json", embedded=small_path).add(mine)
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        opened = desk.opened
        (unloading,) = opened.window.findChildren(Unloading)
        removed: list[object] = []
        unloading.removable.connect(removed.append)
        for purpose in Purpose:
            with opened.read_for(mine):
                unloading.begin(mine, purpose)
                desk.until_said("now breaks that off.")
                desk.press_notice(f"{purpose.verb} when it is done")
                assert opened.notice.endswith(" once nothing uses it any more.")
                assert removed == []
            opened.until("end of the notice", lambda: not opened.notice)
        assert removed == [mine]


def test_a_model_that_is_to_be_unloaded_after_all_is_not_removed(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        opened = desk.opened
        current = opened.window.header.picker.current
        assert current is not None
        (client,) = desk.ask()
        (unloading,) = opened.window.findChildren(Unloading)
        with qtbot.assertNotEmitted(unloading.removable):
            unloading.begin(small_path, Purpose.REMOVE)
            desk.until_said("Removing it now breaks that off.")
            desk.press_notice("Remove when it is done")
            unloading.begin(small_path)
            desk.until_said("Unloading it now breaks that off.")
            desk.press_notice("Unload when it is done")
            assert opened.notice == f"{current.name} is unloaded once nothing uses it any more."
            client.leave()
            opened.until("unloading", lambda: not opened.notice)


def test_an_answer_in_the_window_is_broken_off_only_when_the_person_is_asked(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, model_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, model_path) as desk:
        opened, current = desk.opened, desk.opened.window.header.picker.current
        assert current is not None
        opened.let_answers_go_on()
        opened.send("Tell me a very long story")
        opened.until("answer", lambda: desk.eject.isEnabled() and opened.is_answering)
        click(desk.eject)
        desk.until_said(
            f"An answer in this window uses {current.name}. Unloading it now breaks that off."
        )
        desk.press_notice("Cancel")
        assert opened.notice == ""
        assert opened.is_answering
        (client,) = desk.ask()
        click(desk.eject)
        desk.until_said(
            "An answer in this window and a request of another program use "
            f"{current.name}. Unloading it now breaks them off."
        )
        client.leave()
        opened.until("end of the request", lambda: desk.has_row("Cancelled"))
        assert opened.is_answering
        desk.press_notice("Unload anyway")
        opened.until("unloading", lambda: not desk.eject.isEnabled())
        opened.until("end", lambda: not opened.is_answering)
        assert opened.notice == ""
