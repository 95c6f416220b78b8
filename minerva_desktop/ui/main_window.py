"""The main window: its parts, their places, the shortcuts, and files dropped on it.

Passive: `ChatController` and `ModelController` make it live. Main thread.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QByteArray, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QScreen,
    QShortcut,
    QWheelEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.composer import ATTACH_SHORTCUT, Composer
from minerva_desktop.ui.composer_room import ComposerRoom
from minerva_desktop.ui.context_panel import ContextPanel
from minerva_desktop.ui.drop_overlay import DropOverlay
from minerva_desktop.ui.enter_key import EnterKey
from minerva_desktop.ui.focus_keeper import FocusKeeper
from minerva_desktop.ui.header import Header
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.late_dialogs import chat_finder
from minerva_desktop.ui.models_panel import ModelsPanel
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.parameters_panel import ParametersPanel
from minerva_desktop.ui.settings_action import (
    make_about_action,
    make_settings_action,
    make_shortcuts_action,
)
from minerva_desktop.ui.sidebar import Sidebar
from minerva_desktop.ui.status_bar import StatusBar
from minerva_desktop.ui.text_size_keys import TextSizeKeys
from minerva_desktop.ui.window_keys import WindowKeys

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.chat_finder import ChatFinder

DEFAULT_SIZE = (1120, 760)
MINIMUM_SIZE = (560, 420)
# The system's title bar, whose height is known only once the window is shown: 28 px on macOS, 31 on
# Windows, up to 38 on Linux desktops.
TITLE_BAR = 40  # px
TEMPORARY_SHORTCUT = "Ctrl+Shift+N"
NARROW_WIDTH = 820  # px; below, the side panels make room for the transcript


class MainWindow(QMainWindow):
    """``closing`` is emitted when the person closes the window, and ``stayed`` where it is open
    again, because that would have lost something; ``new_temporary_chat`` when they want a chat of
    which nothing is kept."""

    files_dropped = Signal(list)
    closing = Signal()
    stayed = Signal()
    new_temporary_chat = Signal()

    def __init__(self, icons: Icons, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("mainWindow")
        self.setWindowTitle("Minerva Desktop")
        self.setWindowIcon(icons.app_icon())
        self.setAcceptDrops(True)
        self.setMinimumSize(QSize(*MINIMUM_SIZE).boundedTo(_room_on(self.screen()).size()))
        self.icons = icons
        self._made_room: list[QAction] = []  # of panels that a narrow window closed
        self.sidebar = Sidebar(icons)
        self.parameters = ParametersPanel(icons)
        self.settings_action = make_settings_action(icons, self)
        self.shortcuts_action = make_shortcuts_action(self)
        self.about_action = make_about_action(self)
        self.header = Header(
            icons,
            leading=(self.sidebar.toggle_action,),
            trailing=(self.parameters.toggle_action, self.settings_action),
        )
        self.notifications = NotificationBar(icons)
        self.chat_view = ChatView(icons)
        self.composer = Composer(icons)
        self.status = StatusBar(icons)
        self.models_panel = ModelsPanel(icons, self)
        self.context_panel = ContextPanel(icons, self)
        self.sidebar.new_temporary_chat.connect(self.new_temporary_chat)
        self.sidebar.left.connect(self.composer.focus_editor)
        self.status.memory_clicked.connect(self._open_models)
        self._overlay = DropOverlay(icons.themes, self)
        self._finder: ChatFinder | None = None
        self._closing_told = False
        self._guards: list[Callable[[], bool]] = []
        self._lay_out()
        beside = (self.header, self.notifications, self.status)
        self._room = ComposerRoom(self, self.composer, beside)
        FocusKeeper(self.composer, (self.notifications, self.chat_view, self.composer))
        EnterKey(self)
        self._add_shortcuts()
        self._keys = self._make_keys()
        self._size_keys = TextSizeKeys(self, icons.themes.text_size)
        self._restore(settings)
        icons.themes.changed.connect(self.chat_view.apply_theme)
        icons.themes.text_size.changed.connect(self.chat_view.apply_text_size)
        self.composer.enter_sends_changed.connect(self.chat_view.set_enter_sends)
        self.setTabOrder(self.header.picker, self.composer)
        self.notifications.follows = self.header.last_stop
        self.chat_view.stand_below(self.header)

    def come_to_front(self) -> None:
        """Be seen: not minimised, above other windows, with the keyboard where the system allows
        it."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    # -- settings --------------------------------------------------------------------------

    def remembered(self, settings: Settings) -> Settings:
        """``settings`` with the window's place and size, and the panels that the person wants,
        those that made room in a narrow window among them."""
        geometry = base64.b64encode(self.saveGeometry().data()).decode("ascii")
        return msgspec.structs.replace(
            settings,
            window_geometry=geometry,
            sidebar_visible=self._is_wanted(self.sidebar.toggle_action),
            parameters_visible=self._is_wanted(self.parameters.toggle_action),
        )

    def _is_wanted(self, toggle: QAction) -> bool:
        return toggle.isChecked() or toggle in self._made_room

    def _restore(self, settings: Settings) -> None:
        self.resize(*DEFAULT_SIZE)
        fresh = self.geometry()
        try:
            geometry = base64.b64decode(settings.window_geometry, validate=True)
        except binascii.Error:
            geometry = b""
        if geometry:
            self.restoreGeometry(QByteArray(geometry))
        if not self.isMaximized() and not self.isFullScreen():
            place = self.geometry()
            screen = QGuiApplication.screenAt(place.center()) or self.screen()
            fitting = fitted(place, _room_on(screen))
            if place == fresh:
                self.resize(fitting.size())  # where it goes is up to the desktop
            # What lay within the screen with its real title bar does so again.
            elif not screen.availableGeometry().contains(place):
                self.setGeometry(fitting)
        self.sidebar.toggle_action.setChecked(settings.sidebar_visible)
        self.parameters.toggle_action.setChecked(settings.parameters_visible)
        if geometry and self.width() < NARROW_WIDTH:  # as it was left
            self._make_room()

    # -- parts -----------------------------------------------------------------------------

    def _lay_out(self) -> None:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.header, self.notifications):
            column.addWidget(widget)
        self.chat_view.setMinimumHeight(1)  # it gives way first where a window is low
        column.addWidget(self.chat_view, 1)
        column.addWidget(self.composer)
        body = QHBoxLayout()
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self.sidebar)
        body.addWidget(centre, 1)
        body.addWidget(self.parameters)
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(body, 1)
        rows.addWidget(self.status)
        self.setCentralWidget(whole)

    def _add_shortcuts(self) -> None:
        for action in (
            self.sidebar.toggle_action,
            self.parameters.toggle_action,
            self.settings_action,
            self.shortcuts_action,
            self.about_action,
        ):
            self.addAction(action)
        for keys, signal in (
            (QKeySequence(QKeySequence.StandardKey.New), self.sidebar.new_chat),
            (QKeySequence(TEMPORARY_SHORTCUT), self.new_temporary_chat),
            (QKeySequence(QKeySequence.StandardKey.Open), self.header.picker.add_requested),
            (QKeySequence(ATTACH_SHORTCUT), self.composer.attach_requested),
        ):
            QShortcut(keys, self).activated.connect(signal)
        for key, find in (
            (QKeySequence.StandardKey.Find, self._find),
            (QKeySequence.StandardKey.FindNext, partial(self._find_next, 1)),
            (QKeySequence.StandardKey.FindPrevious, partial(self._find_next, -1)),
        ):
            QShortcut(key, self).activated.connect(find)
        QShortcut(QKeySequence("Ctrl+K"), self).activated.connect(self.sidebar.focus_search)
        QShortcut(QKeySequence("Ctrl+L"), self).activated.connect(self.header.picker.open_list)
        quit_action = QAction("Quit", self)
        quit_action.setShortcut(QKeySequence(QKeySequence.StandardKey.Quit))
        quit_action.setMenuRole(QAction.MenuRole.QuitRole)
        quit_action.triggered.connect(self.close)
        self.addAction(quit_action)

    def _undo_from_composer(self) -> bool:
        """Take back what was done last in the window, if it came after the last change of what is
        written; whether it did. Who holds Ctrl+Z stops where all of that is undone."""
        bar = self.notifications
        return bar.undo_steps.is_next and not self.composer.past.is_undone and bar.undo_last()

    def _undo_elsewhere(self) -> None:
        """Take back what was done last, in the composer, too, where that came after."""
        bar = self.notifications
        if bar.undo_steps.is_next or not self.composer.past.undo():
            bar.undo_last()

    def _make_keys(self) -> WindowKeys:
        self.notifications.undo_steps.past = self.composer.past.mark
        self.composer.undo_beyond = self._undo_from_composer
        parts = (
            self.composer,
            self.notifications,
            self.chat_view,
            self.sidebar,
            self.header,
            self.parameters,
            self.status,
        )
        return WindowKeys(self.composer, self.chat_view, parts, self._undo_elsewhere)

    @property
    def _chat_finder(self) -> ChatFinder:
        if self._finder is None:
            self._finder = chat_finder()(self.icons, self.chat_view)
            self._finder.closed.connect(self.composer.focus_editor)
        return self._finder

    @Slot()
    def _find(self) -> None:
        self._chat_finder.open()

    def _find_next(self, by: int) -> None:
        self._chat_finder.step(by)

    @Slot()
    def _open_models(self) -> None:
        self.models_panel.open_above(self.status.memory)

    # -- events ----------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._keys.obey(event):
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._size_keys.turn(event):
            super().wheelEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        files = _local_files(event)
        if files:
            _accept_in_place(event)
            self._overlay.cover(files)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._overlay.hide()
        files = _local_files(event)
        if files:
            _accept_in_place(event)
            self.files_dropped.emit(files)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._room.tell()
        if self.width() >= NARROW_WIDTH:
            self._give_room_back()
        elif event.oldSize().width() >= NARROW_WIDTH:
            self._make_room()

    def _make_room(self) -> None:
        toggles = (self.parameters.toggle_action, self.sidebar.toggle_action)
        made_room = [toggle for toggle in toggles if toggle.isChecked()]
        for toggle in made_room:
            toggle.setChecked(False)
        self._made_room = made_room

    def _give_room_back(self) -> None:
        """Whatever was opened and closed meanwhile: that was about a narrow window."""
        made_room, self._made_room = self._made_room, []
        for toggle in made_room:
            toggle.setChecked(True)

    def add_guard(self, must_stay: Callable[[], bool]) -> None:
        """``must_stay`` is asked before the window closes; where it returns True, it has said
        why."""
        self._guards.append(must_stay)

    def must_stay(self) -> bool:
        """Whether closing would lose something, which then is said."""
        return any(must_stay() for must_stay in self._guards)

    def stay(self) -> None:
        """Be open again, after ``closing``."""
        self._closing_told = False
        self.show()
        self.stayed.emit()

    def close_now(self) -> None:
        """Close without a question, as a signal to the process wants it."""
        self._guards.clear()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        # The application closes the window itself once everything is on disk and ended.
        if not self._closing_told:
            if self.must_stay():
                event.ignore()
                return
            self._closing_told = True
            self.hide()
            self.closing.emit()
        event.accept()


def _room_on(screen: QScreen) -> QRect:
    """Where a window's inside may lie on ``screen``, so that its title bar does too (px)."""
    return screen.availableGeometry().adjusted(0, TITLE_BAR, 0, 0)


def fitted(place: QRect, available: QRect) -> QRect:
    """``place`` moved, and made smaller where it has to be, to lie within ``available`` (px)."""
    size = place.size().boundedTo(available.size())
    left = min(max(place.left(), available.left()), available.right() + 1 - size.width())
    top = min(max(place.top(), available.top()), available.bottom() + 1 - size.height())
    return QRect(left, top, size.width(), size.height())


def _accept_in_place(event: QDropEvent) -> None:
    """Take files without moving them: a source may delete what was moved."""
    wanted = (Qt.DropAction.LinkAction, Qt.DropAction.CopyAction)
    action = next((each for each in wanted if event.possibleActions() & each), None)
    if action is None:
        event.ignore()
        return
    event.setDropAction(action)
    event.accept()


def _local_files(event: QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
