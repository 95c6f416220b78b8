"""The preset in force, at the top of the parameters panel, and what can be done with it.

`PresetController` tells it what there is, and does what it is asked for. Main thread.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from PySide6.QtCore import QPoint, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QAction, QIcon, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from minerva_desktop.ui.controls import BUTTON_SIZE, PopupMenu, icon_button, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.preset_name import PresetName
from minerva_desktop.ui.theme import GRID

DEFAULTS = "Defaults"  # no system prompt, and llama.cpp's sampling
CUSTOM = "Custom"
MAX_SHOWN = 32  # characters of a name in a menu
CHEVRON = 16  # px


class _Wish(Enum):
    """An entry of the menu."""

    NEW = "new"
    UPDATE = "update"
    RENAME = "rename"
    DELETE = "delete"
    DEFAULT = "default"
    IMPORT = "import"
    EXPORT = "export"
    EXPORT_ALL = "export all"


class PresetState(msgspec.Struct, frozen=True):
    """What the row shows. ``current`` is the preset in force; where there is none, ``base`` is the
    one that the fields were changed from, and ``is_defaults`` says that they are as at the first
    start. ``model`` is the chosen model's name, ``by_default`` the preset of its new chats."""

    names: tuple[str, ...] = ()
    current: str | None = None
    base: str | None = None
    is_defaults: bool = True
    model: str = ""
    by_default: str | None = None

    @property
    def subject(self) -> str | None:
        """The preset that can be renamed, deleted and so on."""
        return self.current or self.base

    @property
    def title(self) -> str:
        """What is in force, in a word or a name."""
        return self.current or (DEFAULTS if self.is_defaults else CUSTOM)

    @property
    def note(self) -> str:
        """What else there is to know, in sentences."""
        sentences = []
        if self.current is None and self.base is not None:
            sentences.append(f"Changed from {self.base}.")
        if self.model and self.by_default is not None:
            is_this = self.by_default == self.current
            which = "this preset" if is_this else self.by_default
            sentences.append(f"New chats with {self.model} begin with {which}.")
        return " ".join(sentences)


class PresetRow(QWidget):
    """Each signal is something the person asked for: ``chosen`` carries the name of a preset, None
    for the defaults; ``new_named`` a new preset's name, and whether system prompt and sampling are
    parts of it; ``renamed`` the old name and the new one; ``deleted``, ``updated`` and ``exported``
    the preset's name, where None means all of them; ``default_chosen`` the preset for new chats
    with the model."""

    chosen = Signal(object)
    new_named = Signal(str, bool, bool)
    renamed = Signal(str, str)
    updated = Signal(str)
    deleted = Signal(str)
    default_chosen = Signal(object)
    import_wanted = Signal()
    exported = Signal(object)

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._state = PresetState()
        self._renaming: str | None = None
        self._pick = _PickButton(icons)
        self._pick.clicked.connect(self._open_presets)
        self._more = icon_button(icons, "more", "More about presets")
        self._more.setObjectName("presetMore")
        self._more.clicked.connect(self._open_more)
        self._name = PresetName(icons.themes)
        self._name.hide()
        self._note = QLabel()
        self._note.setObjectName("presetNote")
        self._note.setProperty("look", "muted")
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self._note.setWordWrap(True)
        self._name.named.connect(self._on_named)
        self._name.left.connect(self.end_naming)
        self._lay_out()
        self.show_state(self._state)

    @property
    def is_naming(self) -> bool:
        """Whether a name is being typed."""
        return not self._name.isHidden()

    def show_state(self, state: PresetState) -> None:
        """Show what is in force."""
        self._state = state
        self._pick.set_title(state.title)
        self._note.setText(state.note)
        self._note.setVisible(bool(state.note))

    def show_problem(self, words: str) -> None:
        """Why the name that was typed is none."""
        self._name.show_problem(words)

    @Slot()
    def end_naming(self) -> None:
        """Show the preset again."""
        self._name.hide()
        self._pick.show()
        self._more.show()
        self._pick.setFocus(Qt.FocusReason.OtherFocusReason)

    # -- menus -----------------------------------------------------------------------------

    @Slot()
    def _open_presets(self) -> None:
        menu = PopupMenu(self)
        menu.setObjectName("presetMenu")
        menu.setMinimumWidth(self._more.geometry().right() + 1)
        state = self._state
        is_plain = state.current is None and state.is_defaults
        for name in (None, *state.names):
            action = menu.addAction(_shown(name or DEFAULTS))
            action.setData(name)
            if is_plain if name is None else name == state.current:
                action.setIcon(self._icons.icon("check", "accent"))
                menu.setActiveAction(action)
            if name is None and state.names:
                menu.addSeparator()
        menu.triggered.connect(self._on_chosen)
        self._open(menu)

    @Slot()
    def _open_more(self) -> None:
        menu = PopupMenu(self)
        menu.setObjectName("presetMoreMenu")
        state, subject, icon = self._state, self._state.subject, self._icons.icon

        def add(wish: _Wish, sign: str, words: str, *, is_possible: bool = True) -> None:
            action = menu.addAction(icon(sign, "muted") if sign else QIcon(), words)
            action.setData(wish)
            action.setEnabled(is_possible)

        add(_Wish.NEW, "add", "Save as new…")
        menu.addSeparator()
        if subject is not None:
            menu.addAction(_shown(subject)).setEnabled(False)  # what the next ones are about
            add(_Wish.UPDATE, "", "Update", is_possible=state.current is None)
            add(_Wish.RENAME, "edit", "Rename…")
            add(_Wish.DELETE, "trash", "Delete")
            model = _shown(state.model) if state.model else "the model"
            sign = "check" if subject == state.by_default else ""
            words = f"Use for new chats with {model}"
            add(_Wish.DEFAULT, sign, words, is_possible=bool(state.model))
            add(_Wish.EXPORT, "", "Export…")
            menu.addSeparator()
        add(_Wish.IMPORT, "", "Import…")
        add(_Wish.EXPORT_ALL, "", "Export all…", is_possible=bool(state.names))
        menu.triggered.connect(self._on_wish)
        self._open(menu)

    def _open(self, menu: PopupMenu) -> None:
        """Below the row and in line with its right edge, which may be that of the screen."""
        left = self._more.geometry().right() + 1 - menu.sizeHint().width()
        menu.popup(self.mapToGlobal(QPoint(min(left, 0), self._pick.geometry().bottom() + GRID)))

    @Slot(QAction)
    def _on_chosen(self, action: QAction) -> None:
        self.chosen.emit(action.data())

    @Slot(QAction)
    def _on_wish(self, action: QAction) -> None:
        subject = self._state.subject
        match action.data():
            case _Wish.NEW:
                self._begin_naming(None)
            case _Wish.RENAME:
                self._begin_naming(subject)
            case _Wish.UPDATE:
                self.updated.emit(subject)
            case _Wish.DELETE:
                self.deleted.emit(subject)
            case _Wish.DEFAULT:
                is_default = subject == self._state.by_default
                self.default_chosen.emit(None if is_default else subject)
            case _Wish.IMPORT:
                self.import_wanted.emit()
            case _Wish.EXPORT:
                self.exported.emit(subject)
            case _Wish.EXPORT_ALL:
                self.exported.emit(None)

    def _begin_naming(self, renaming: str | None) -> None:
        self._renaming = renaming
        self._pick.hide()
        self._more.hide()
        self._name.begin(renaming or "", is_new=renaming is None)

    @Slot(str)
    def _on_named(self, name: str) -> None:
        if self._renaming is None:
            self.new_named.emit(name, self._name.keeps_prompt, self._name.keeps_sampling)
        else:
            self.renamed.emit(self._renaming, name)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._pick, 1)
        row.addWidget(self._more)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2 * GRID)
        box.addLayout(row)
        box.addWidget(self._name)
        box.addWidget(self._note)


class _PickButton(QPushButton):
    """Names the preset, as much of it as fits, and opens the list."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._title = ""
        self.setObjectName("presetButton")
        self.setFixedHeight(BUTTON_SIZE)
        self.setMinimumWidth(0)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def set_title(self, title: str) -> None:
        self._title = title
        self.setAccessibleName(f"Preset: {title}")
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        left, top = self.width() - CHEVRON - 2 * GRID, (self.height() - CHEVRON) / 2
        self._icons.paint(painter, "chevron-down", QRectF(left, top, CHEVRON, CHEVRON), "muted")

    def _elide(self) -> None:
        room = self.width() - CHEVRON - 8 * GRID
        mode = Qt.TextElideMode.ElideRight
        elided = self.fontMetrics().elidedText(self._title, mode, room)
        self.setText(elided.replace("&", "&&"))
        words = self._title if elided != self._title else "Choose how the model answers"
        self.setToolTip(plain_tip(words))


def _shown(name: str) -> str:
    """A name as a menu shows it: not too long, and no letter of it underlined."""
    short = name if len(name) <= MAX_SHOWN else f"{name[: MAX_SHOWN - 1]}…"
    return short.replace("&", "&&")
