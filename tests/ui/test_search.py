"""Finding messages from the sidebar: results, their marks, hints and wrong filters."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_search import FoundChat, FoundMessage
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.store.searched_text import SEARCHED_CHARACTERS
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.result_painter import ResultDelegate, closer, day_of
from minerva_desktop.ui.search_hints import FilterValues, Hint, SearchHints, hints_for
from minerva_desktop.ui.search_results import Found, SearchResults
from tests.chat.samples import make_conversation
from tests.ui.list_desk import ListDesk
from tests.ui.parts import part

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

VALUES = FilterValues(
    models=("gemma.gguf", "smol.gguf"), folders=("My work", "Home"), tags=("tea", "team")
)


@pytest.fixture
def desk(
    qtbot: QtBot, dressed_app: QApplication, icons: Icons, tmp_path: Path
) -> Iterator[ListDesk]:
    """A chat with a word in five messages, and one with it in one."""
    chats = [
        make_conversation(*[f"The salt {n}" for n in range(5)], title="Sea", updated_at=9000.0),
        make_conversation("Salted", "Yes", title="Soup", updated_at=8000.0),
    ]
    with closing(ListDesk(qtbot, dressed_app, icons, tmp_path, chats)) as desk:
        yield desk


def results(desk: ListDesk) -> SearchResults:
    return part(desk.window, SearchResults, "searchResults")


def shown(desk: ListDesk) -> list[str]:
    """The rows of what was found, if that is what is shown."""
    view = results(desk)
    model = view.results
    return [model.index(n, 0).data() for n in range(model.rowCount())] if view.isVisible() else []


def search(desk: ListDesk, text: str) -> None:
    field = part(desk.window, QLineEdit, "chatSearch")
    field.setText(text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def activate(desk: ListDesk, text: str) -> None:
    """Click the first result that says that."""
    view = results(desk)
    place = view.visualRect(view.results.index(shown(desk).index(text), 0)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_what_is_searched_is_said(desk: ListDesk) -> None:
    field = part(desk.window, QLineEdit, "chatSearch")
    assert f"the first {SEARCHED_CHARACTERS:,} characters" in field.toolTip()


def test_results_lead_to_the_message(desk: ListDesk) -> None:
    search(desk, "salt")
    desk.until(lambda: shown(desk)[:1] == ["Sea"])
    assert shown(desk)[:7] == [
        "Sea",
        "The salt 4",
        "The salt 3",
        "The salt 2",
        "2 more in this chat",
        "Soup",
        "Salted",
    ]
    activate(desk, "2 more in this chat")
    assert shown(desk)[4:7] == ["The salt 1", "The salt 0", "Soup"]

    activate(desk, "The salt 1")
    chat_id = desk.on_disk()["Sea"]
    desk.until(lambda: desk.shown.opened == [chat_id])
    conversation = desk.run(desk.library.open_session(chat_id)).conversation
    assert conversation[desk.shown.message_id].text == "The salt 1"
    activate(desk, "Soup")
    desk.until(lambda: len(desk.shown.opened) == 2)
    assert desk.shown.message_id == ""


def has_more_than(desk: ListDesk, n_before: int) -> bool:
    return len(shown(desk)) > n_before


def test_more_comes_on_scrolling_and_moves_nothing(desk: ListDesk) -> None:
    titles = [f"Salt number {n}" for n in range(160)]
    desk.add(
        [
            make_conversation("No", title=each, updated_at=1000.0 + n)
            for n, each in enumerate(titles)
        ]
    )
    search(desk, "salt")
    desk.until(lambda: len(shown(desk)) > 60)
    n_before, view = len(shown(desk)), results(desk)
    assert n_before < 167
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() - 10)
    row, below = divmod(bar.value(), 40)
    seen = shown(desk)[row]
    desk.until(lambda: len(shown(desk)) > n_before)
    assert shown(desk)[bar.value() // 40] == seen
    assert bar.value() % 40 == below
    while len(shown(desk)) < 5 + 2 + 160:
        n_before = len(shown(desk))
        QTest.keyClick(view, Qt.Key.Key_End)
        desk.until(functools.partial(has_more_than, desk, n_before))
    assert "There is more" not in shown(desk)[-1]


def test_escape_leads_back_to_the_list(desk: ListDesk) -> None:
    search(desk, "salt")
    desk.until(lambda: shown(desk) != [])
    assert results(desk).currentIndex().row() == 0  # Enter was pressed before it was found
    QTest.keyClick(results(desk), Qt.Key.Key_Escape)
    desk.until(desk.view.isVisible)
    assert part(desk.window, QLineEdit, "chatSearch").text() == ""
    assert desk.rows[:3] == ["Older", "Sea", "Soup"]


def test_a_found_chat_is_deleted_and_comes_back(desk: ListDesk) -> None:
    search(desk, "salt")
    desk.until(lambda: "Soup" in shown(desk))
    view = results(desk)
    activate(desk, "2 more in this chat")
    view.setCurrentIndex(view.results.index(1, 0))
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert desk.notice == ""  # it is a message
    view.setCurrentIndex(view.results.index(shown(desk).index("Soup"), 0))
    QTest.keyClick(view, Qt.Key.Key_Delete)
    desk.until(lambda: "Soup" not in shown(desk))
    assert shown(desk) == ["Sea", *[f"The salt {n}" for n in (4, 3, 2, 1, 0)]]
    desk.press("Undo")
    desk.until(lambda: shown(desk)[-2:] == ["Soup", "Salted"])

    view.menu_requested.emit(view.results.index(shown(desk).index("Salted"), 0))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts == ["Pin", "Move to folder", "Duplicate", "Export…", "Archive", "Delete"]
    menu.actions()[0].trigger()
    menu.close()
    desk.until(lambda: desk.summary("Soup").is_pinned)


def test_only_the_last_text_counts(desk: ListDesk) -> None:
    search(desk, "salt")
    search(desk, "salted")
    desk.until(lambda: shown(desk) == ["Soup", "Salted"])


def test_nothing_found_is_said(desk: ListDesk) -> None:
    search(desk, "<b>zebra")
    desk.until(
        lambda: any(
            label.text() == "Nothing found for “<b>zebra”" and label.isVisible()
            for label in desk.window.sidebar.findChildren(QLabel)
        )
    )


def test_a_wrong_filter_does_not_stand_above_what_was_said_of_another_text(desk: ListDesk) -> None:
    def said() -> set[str]:
        return {
            each.text() for each in desk.window.sidebar.findChildren(QLabel) if each.isVisible()
        }

    search(desk, "zebra")
    desk.until(lambda: "Nothing found for “zebra”" in said())
    search(desk, "after:2024-13")
    desk.until(part(desk.window.sidebar, QLabel, "fieldHint").isVisible)
    assert "Nothing found for “zebra”" not in said()


def test_a_wrong_filter_is_said_under_the_field(desk: ListDesk) -> None:
    label = part(desk.window.sidebar, QLabel, "fieldHint")
    search(desk, "salt before:someday")
    desk.until(label.isVisible)
    assert label.text().startswith("“before:someday” is no date")
    assert desk.errors == []
    part(desk.window, QLineEdit, "chatSearch").setText("salt before:2026")
    desk.until(lambda: shown(desk) != [])
    assert not label.isVisible()
    assert not results(desk).currentIndex().isValid()  # Enter was pressed for the other text


def test_archived_chats_are_found(desk: ListDesk) -> None:
    desk.run(desk.library.set_archived([desk.on_disk()["Soup"]], True))
    search(desk, "salted")
    desk.until(lambda: shown(desk) == ["Soup", "Salted"])
    found = results(desk).model()
    spoken = {
        str(found.index(row, 0).data(Qt.ItemDataRole.AccessibleTextRole))
        for row in range(found.rowCount())
    }
    assert "Chat: Soup, archived" in spoken
    assert "Salted" in spoken  # a message
    desk.go_to("archiveButton")
    desk.until(lambda: desk.view.isVisible() and desk.rows == ["Older", "Soup"])
    assert part(desk.window, QLineEdit, "chatSearch").text() == ""


def test_the_trash_is_searched_by_title(desk: ListDesk) -> None:
    for title in ("Soup", "Sea"):
        desk.choose(title, "Delete")
        desk.until(functools.partial(desk.lacks, title))
    desk.go_to("trashButton")
    desk.until(lambda: desk.rows == ["Sea", "Soup"])
    search(desk, "SO")
    desk.until(lambda: desk.rows == ["Soup"])
    field = part(desk.window, QLineEdit, "chatSearch")
    assert field.accessibleName() == "Search titles in the trash"
    search(desk, "zebra")
    desk.until(lambda: desk.rows == [])
    desk.go_to("emptyTrashButton")
    assert desk.notice.startswith("Delete all 2 chats in the trash for good?")
    search(desk, "")
    desk.until(lambda: desk.rows == ["Sea", "Soup"])
    assert part(desk.window, QPushButton, "emptyTrashButton").isEnabled()

    desk.choose("Sea", "Restore")
    desk.until(lambda: desk.rows == ["Soup"])
    search(desk, "sea")
    desk.until(lambda: desk.rows == [])
    desk.go_to("newChatButton")
    desk.until(lambda: shown(desk) == ["Sea"])


def test_hints_complete_filters(desk: ListDesk, qtbot: QtBot) -> None:
    field = part(desk.window, QLineEdit, "chatSearch")
    hints = part(desk.window, SearchHints, "searchHints")
    desk.run(desk.library.create_folder("My work"))
    desk.window.sidebar.chat_actions.pin.emit([desk.on_disk()["Sea"]], True)
    desk.until(lambda: "My work" in desk.rows)
    desk.window.activateWindow()
    desk.window.sidebar.focus_search()
    desk.until(hints.isVisible)
    QTest.keyClick(field, Qt.Key.Key_Tab)
    first, second = hints.findChildren(QPushButton)[:2]
    assert first.hasFocus()
    assert second.accessibleName() == "folder: in a folder"
    second.click()
    assert field.text() == "folder:"
    (value,) = [each for each in hints.findChildren(QPushButton) if each.isVisible()]
    value.click()
    assert field.text() == 'folder:"My work" '
    assert not hints.isVisible()


def test_the_hints_are_one_stop_for_tab_in_which_arrows_go_on(desk: ListDesk) -> None:
    field = part(desk.window, QLineEdit, "chatSearch")
    hints = part(desk.window, SearchHints, "searchHints")
    desk.window.activateWindow()
    desk.window.sidebar.focus_search()
    desk.until(hints.isVisible)

    def press(key: Qt.Key) -> str:
        focused = QApplication.focusWidget()
        assert focused is not None
        QTest.keyClick(focused, key)
        now = QApplication.focusWidget()
        return "" if now is None else now.accessibleName().partition(" ")[0]

    assert press(Qt.Key.Key_Tab) == "model:"
    walked = [press(Qt.Key.Key_Down) for _ in range(6)]
    assert walked == ["folder:", "tag:", "pinned:yes", "after:", "before:", "before:"]
    assert press(Qt.Key.Key_Home) == "model:"
    assert press(Qt.Key.Key_End) == "before:"
    assert press(Qt.Key.Key_Up) == "after:"
    press(Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is field
    assert press(Qt.Key.Key_Tab) == "model:"
    press(Qt.Key.Key_Up)
    assert QApplication.focusWidget() is field
    assert hints.isVisible()
    press(Qt.Key.Key_Tab)
    press(Qt.Key.Key_Tab)  # one stop
    assert not hints.isAncestorOf(QApplication.focusWidget() or desk.window)
    assert not hints.isVisible()
    desk.window.sidebar.focus_search()
    press(Qt.Key.Key_Tab)
    press(Qt.Key.Key_Down)
    QTest.keyClick(QApplication.focusWidget() or field, Qt.Key.Key_Return)
    assert field.text() == "folder:"


YEARS = ['salt after:"this year" ', 'salt after:"last year" ']


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("folder:", ['folder:"My work" ', "folder:Home "]),
        ("salt tag:TE", ["salt tag:tea ", "salt tag:team "]),
        ("tag:tea", ["tag:team "]),
        ('folder:"my w', ['folder:"My work" ']),
        ("pinned:n", ["pinned:no "]),
        ("model:sm", ["model:smol.gguf "]),
        ("salt", []),
        ("folder:Home ", []),
        ("before:2026", []),
        ("salt after:y", ["salt after:today ", "salt after:yesterday ", *YEARS]),
        ("before:7", ["before:7d "]),
    ],
)
def test_values_of_a_filter_are_offered(text: str, offered: list[str]) -> None:
    assert [hint.text for hint in hints_for(text, VALUES)] == offered


def test_an_empty_field_offers_the_filters() -> None:
    names = [hint.text for hint in hints_for("  ", VALUES)]
    assert names == ["model:", "folder:", "tag:", "pinned:yes", "after:", "before:"]
    assert hints_for("", VALUES)[2] == Hint("tag:", "tag:", "with a tag")


def test_the_match_is_moved_into_sight() -> None:
    text = "A sentence that begins long before the word salt is in it"
    at = text.index("salt")
    shorter, marks = closer(text, ((at, at + 4),))
    ((start, end),) = marks
    assert (shorter[0], shorter[start:end]) == ("…", "salt")
    assert start <= 26
    assert closer("Some salt", ((5, 9),)) == ("Some salt", ((5, 9),))


def test_days_are_told_shortly() -> None:
    now = datetime(2026, 3, 18, 15, 0).astimezone()
    assert day_of(now.replace(hour=9, minute=5).timestamp(), now) == "09:05"
    assert day_of(now.replace(day=7).timestamp(), now) == f"7 {now:%b}"
    assert day_of(now.replace(year=2024).timestamp(), now) == f"{now:%b} 2024"


def test_matches_are_marked_also_behind_an_emoji(qtbot: QtBot, icons: Icons) -> None:
    view = SearchResults()
    qtbot.addWidget(view)
    view.setItemDelegate(ResultDelegate(icons, view.results, view))
    view.resize(240, 200)
    chat = ConversationSummary(id="a", title="Titel", updated_at=0.0, model=None)

    def picture(*marks: tuple[int, int]) -> bytes:
        message = FoundMessage("m", "😀😀 salt and more " * 9, marks, 0.0)
        view.show_found(Found([FoundChat(chat, (), [message])]), is_new=True)
        return bytes(view.grab().toImage().constBits())

    assert picture((3, 7)) != picture()
    assert picture((3, 7)) != picture((2, 6))
