"""The files that go with the message that is being written: read, or on their way in.

A part of the composer. What is done here can be undone by the keys that undo typing. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec
from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QResizeEvent,
    QTextDocument,
)
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QWidget

from minerva_desktop.chat.parts import FilePart, Files
from minerva_desktop.ui.attachment_chip import GAP, HEIGHT, AttachmentChip, file_facts, place_chips
from minerva_desktop.ui.icons import Icons

MAX_ROWS = 2  # that are shown, where there is room; more scroll
MAX_UNDONE = 100  # changes that can be undone


class AttachedFile(msgspec.Struct, frozen=True):
    """``part`` is None, and ``progress`` says how far it is, while the file is read; ``note`` is
    what there is to say about how it was."""

    id: str
    name: str
    part: FilePart | None = None
    note: str = ""
    progress: str = "Reading…"


Items = tuple[AttachedFile, ...]


class AttachmentStrip(QScrollArea):
    """Hidden while there are none. ``changed``: other files, or one is read now. ``resized``: its
    height is another. ``opened(id)``, ``menu_requested(id, place)`` and ``removed(item)``: by the
    person; ``cancelled(id)``: of one that is still being read. ``sent``: what was read went with a
    message. ``started_over``: another message is written now."""

    changed = Signal()
    resized = Signal()
    opened = Signal(str)
    menu_requested = Signal(str, QPoint)
    removed = Signal(object)
    cancelled = Signal(str)
    sent = Signal()
    started_over = Signal()

    def __init__(self, icons: Icons, text: QTextDocument) -> None:
        """``text``: of the field, whose changes are undone by the same keys."""
        super().__init__()
        self._icons = icons
        self._text = text
        self._items: Items = ()
        self._undo: list[tuple[int, Items]] = []  # with the text's steps then
        self._redo: list[tuple[int, Items]] = []
        self._numbers = count(1)
        self._chips: dict[str, _Chip] = {}
        self._max_height = _rows_height(MAX_ROWS)
        self.tab_after: QWidget = self  # what Tab goes from to the first chip
        self.setObjectName("attachmentStrip")
        self.setAccessibleName("Attached files")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._inside = QWidget()
        self.setWidget(self._inside)
        self.viewport().setAutoFillBackground(False)
        self._inside.setAutoFillBackground(False)
        self.hide()

    # -- what there is -----------------------------------------------------------------------

    @property
    def items(self) -> Items:
        """All, in order."""
        return self._items

    @property
    def files(self) -> Files:
        """Those that are read."""
        return tuple(item.part for item in self._items if item.part is not None)

    @property
    def is_reading(self) -> bool:
        """Whether one is not read yet."""
        return any(item.part is None for item in self._items)

    def item(self, item_id: str) -> AttachedFile | None:
        """That one; None when it is not there any more."""
        return next((item for item in self._items if item.id == item_id), None)

    def has(self, part: FilePart) -> bool:
        """Whether a file of that name and with that content is there, and read."""
        return any(each.name == part.name and each.text == part.text for each in self.files)

    def set_max_height(self, height: int) -> None:
        """Show at most ``height`` px of them; the others scroll."""
        if height != self._max_height:
            self._max_height = height
            self._fit_rows()

    def height_of(self, n_rows: int) -> int:
        """How high it is where at most so many rows are shown (px); 0 where there are none."""
        return min(self._inside.height(), _rows_height(n_rows)) if self._items else 0

    # -- changes that can be undone ------------------------------------------------------------

    def add(self, part: FilePart) -> str:
        """One more file; its id."""
        self._remember()
        item = AttachedFile(self._new_id(), part.name, part)
        self._use((*self._items, item))
        return item.id

    def begin(self, name: str) -> str:
        """One more, which is being read; its id."""
        item = AttachedFile(self._new_id(), name)
        self._use((*self._items, item))
        return item.id

    def finish(self, item_id: str, part: FilePart, note: str = "") -> None:
        """It is read; nothing for one that was taken out meanwhile."""
        if self.item(item_id) is not None:
            self._remember(without=item_id)
            done = AttachedFile(item_id, part.name, part, note)
            self._use(tuple(done if each.id == item_id else each for each in self._items))
            said = QAccessibleAnnouncementEvent(self, f"{part.name} attached")
            QAccessible.updateAccessibility(said)

    def remove(self, item_id: str) -> None:
        """The person takes one out."""
        item = self.item(item_id)
        if item is None:
            return
        if item.part is None:
            self.drop(item_id)
            self.cancelled.emit(item_id)
        else:
            self.take(item_id)
            self.removed.emit(item)

    def take(self, item_id: str) -> None:
        """Take one out; nobody is told."""
        self._remember()
        self.drop(item_id)

    def clear(self) -> None:
        """A message takes all along that are read; those on their way in are for the next one."""
        if self.files:
            self._remember()
            self._use(tuple(item for item in self._items if item.part is None))
        self.sent.emit()

    def bring_back(self, removed: AttachedFile) -> None:
        """Undo the removal of a file, as the last change of the message or as one more; nothing
        where it is there."""
        part = removed.part
        if part is None or any(each.text is part.text for each in self.files):
            return
        is_last = bool(self._undo) and removed in self._undo[-1][1]
        if not (is_last and self.undo()):
            self._remember()
            self._use((*self._items, removed))

    @property
    def n_undoable(self) -> int:
        """How many changes `undo` could undo one after the other, with those of the text."""
        return len(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone, and nothing changed since."""
        return bool(self._redo)

    def undo(self) -> bool:
        """Undo the last change, if it came after the last one of the text; whether it did."""
        return self._step(self._undo, self._redo, lambda then, now: then >= now)

    def redo(self) -> bool:
        """Do again what was undone last, if that is next; whether it was."""
        return self._step(self._redo, self._undo, lambda then, now: then <= now)

    # -- changes that cannot -------------------------------------------------------------------

    def start_over(self, files: Files) -> None:
        """Hold ``files`` and no others, of another message."""
        self._undo.clear()
        self._redo.clear()
        self.started_over.emit()
        if files or self._items:
            self._use(tuple(AttachedFile(self._new_id(), part.name, part) for part in files))

    def put_back(self, files: Files) -> None:
        """Take in files that were sent and came back, before what there is."""
        if files:
            back = tuple(AttachedFile(self._new_id(), part.name, part) for part in files)
            self._use((*back, *self._items))

    def drop(self, item_id: str) -> None:
        """Take out one that cannot be read."""
        self._use(tuple(each for each in self._items if each.id != item_id))

    def show_progress(self, item_id: str, words: str) -> None:
        """How far one is read."""
        self._alter(item_id, progress=words)

    def set_tokens(self, item_id: str, n_tokens: int) -> None:
        """As a model counted them; 0: none did."""
        item = self.item(item_id)
        if item is not None and item.part is not None and item.part.n_tokens != n_tokens:
            self._alter(item_id, part=msgspec.structs.replace(item.part, n_tokens=n_tokens))

    # -- inside --------------------------------------------------------------------------------

    def _new_id(self) -> str:
        return f"file-{next(self._numbers)}"

    def _remember(self, without: str = "") -> None:
        before = tuple(each for each in self._items if each.id != without)
        self._undo.append((self._text.availableUndoSteps(), before))
        self._text.setModified(False)  # what is typed next is a step of its own to Qt
        del self._undo[:-MAX_UNDONE]
        self._redo.clear()

    def _step(
        self,
        source: list[tuple[int, Items]],
        target: list[tuple[int, Items]],
        is_next: Callable[[int, int], bool],
    ) -> bool:
        now = self._text.availableUndoSteps()
        if not source or not is_next(source[-1][0], now):
            return False
        _, items = source.pop()
        target.append((now, self._items))
        # What is being read is no change yet.
        reading = tuple(each for each in self._items if each.part is None)
        self._use((*(each for each in items if each.part is not None), *reading))
        return True

    def _alter(self, item_id: str, **changes: object) -> None:
        """What is no other file, and can be shown in its chip as it is."""
        self._items = tuple(
            msgspec.structs.replace(each, **changes) if each.id == item_id else each
            for each in self._items
        )
        item = self.item(item_id)
        if item is not None:
            _show(self._chips[item_id], item)
            self._place()

    def _use(self, items: Items) -> None:
        self._items = items
        wanted = {item.id for item in items}
        focused = QApplication.focusWidget()
        for item_id in [each for each in self._chips if each not in wanted]:
            gone = self._chips.pop(item_id)
            gone.hide()
            gone.deleteLater()
        before = self.tab_after
        for item in items:
            chip = self._chips.get(item.id) or self._make_chip(item)
            _show(chip, item)
            chip.raise_()  # screen readers go by the order of the children
            before = chip.follow(before)
        self.setVisible(bool(items))
        self._place()
        if focused is not None and not focused.isVisible() and self._chips:
            self._chips[items[-1].id].setFocus(Qt.FocusReason.TabFocusReason)
        self.changed.emit()

    def _make_chip(self, item: AttachedFile) -> AttachmentChip:
        chip = _Chip(self._icons, item.id, self._inside)
        self._chips[item.id] = chip
        chip.clicked.connect(self._on_clicked)
        chip.removed.connect(self._on_removed)
        chip.menu_requested.connect(self._on_menu)
        chip.show()
        return chip

    def _place(self) -> None:
        width = self.width() - self.verticalScrollBar().sizeHint().width()
        before = self._inside.height()
        height = place_chips([self._chips[item.id] for item in self._items], width)
        self._inside.resize(width, height)
        self._fit_rows()
        if height != before:  # there may be room for more, or less may do
            self.resized.emit()

    def _fit_rows(self) -> None:
        shown = min(self._inside.height(), self._max_height)
        if shown != self.maximumHeight():
            self.setFixedHeight(shown)
            self.resized.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._place()

    @property
    def _sender_id(self) -> str:
        sender = self.sender()
        return sender.item_id if isinstance(sender, _Chip) else ""

    @Slot()
    def _on_clicked(self) -> None:
        self.opened.emit(self._sender_id)

    @Slot()
    def _on_removed(self) -> None:
        self.remove(self._sender_id)

    @Slot(QPoint)
    def _on_menu(self, place: QPoint) -> None:
        self.menu_requested.emit(self._sender_id, place)


class _Chip(AttachmentChip):
    """Knows which of them it is."""

    def __init__(self, icons: Icons, item_id: str, parent: QWidget) -> None:
        super().__init__(icons, can_remove=True, parent=parent)
        self.item_id = item_id


def _rows_height(count: int) -> int:
    return count * (HEIGHT + GAP) - GAP


def _show(chip: AttachmentChip, item: AttachedFile) -> None:
    facts = item.progress if item.part is None else file_facts(item.part)
    chip.set_content(item.name, facts, item.note)
