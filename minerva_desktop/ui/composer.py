"""Where a message is written: a card that grows with its text, and the Send or Stop button; in it
the files that go with the message, above it the messages that wait for an answer to end.

The main window puts it under the transcript, sends what ``submitted`` carries, and clears it with
`Composer.clear` once the message is on its way. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.parts import Files
from minerva_desktop.ui.attachment_strip import AttachmentStrip
from minerva_desktop.ui.composer_hint import ComposerHint
from minerva_desktop.ui.composer_room import OUTER, TIGHT, shared
from minerva_desktop.ui.controls import BUTTON_SIZE, icon_button
from minerva_desktop.ui.fresh_buttons import FreshButtons
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.message_past import MessagePast
from minerva_desktop.ui.queue_button import QueueButton
from minerva_desktop.ui.theme import GRID
from minerva_desktop.ui.waiting_messages import WaitingMessages

ATTACH_SHORTCUT = "Ctrl+Shift+A"
SIDE = 4 * GRID  # px beside the card
AROUND = 2 * (2 * GRID + 1)  # px of the card around its parts, with its edge
WINDOW_PER_WAITING = 250  # px of the window's height for each waiting message that is shown
MEASURING = "Counting whether the chat with this message fits the context. Esc keeps it here."
MEASURING_ELSE = "Counting whether what you asked for fits the context. Esc gives it up."
LOADING_FIRST = "Loading {}, to know whether this fits its context. Esc {}."
STILL_READING = "A file is still being read. The message can be sent once that is done."


def _nothing() -> str:
    """Where nothing has to be filled in."""
    return ""


class Composer(QWidget):
    """The card with the text and its buttons, and above it the messages that wait.

    ``submitted`` carries the text as typed and leaves it in place, for the receiver may refuse it;
    so does ``queued``, while an answer is generated. ``stop_requested`` comes from the Stop button
    and from Esc at that time, ``leave_requested`` from Esc where `set_leavable` says so first,
    ``edit_last_requested`` from ↑ in the empty field, and
    ``history_wanted(-1)`` from Alt+↑. ``attach_requested`` comes from the paper clip;
    ``files_pasted``, ``image_pasted`` and ``long_text_pasted`` are those of `MessageEdit`.
    ``unfilled`` is asked before a message is sent: what it returns is said, and nothing sent.
    """

    submitted = Signal(str)
    queued = Signal(str)
    stop_requested = Signal()
    leave_requested = Signal()
    edit_last_requested = Signal()
    history_wanted = Signal(int)
    attach_requested = Signal()
    files_pasted = Signal(list)
    image_pasted = Signal()
    long_text_pasted = Signal(str)
    text_changed = Signal(str)
    enter_sends_changed = Signal(bool)

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generating = False
        self.unfilled: Callable[[], str] = _nothing
        self._unfilled = ""  # what it returned, until the text changes or is sent
        self._is_leavable = False  # Esc gives the waiting message up that is changed here
        self._held = ""  # what is said until it is known whether something fits
        self._window_height = 0  # px; not known yet
        self._room = 0  # px that it may take of that
        self._text_size = icons.themes.text_size
        self._editor = MessageEdit(self._text_size)
        self._send = _round_button(icons, "send", "Send", "sendButton", "Return")
        self._stop = _round_button(icons, "stop", "Stop", "stopButton", "Esc")
        self._queue = QueueButton()
        self._attach = icon_button(icons, "attach", "Attach files", shortcut=ATTACH_SHORTCUT)
        self._attach.setObjectName("attachButton")
        FreshButtons(self).watch(self._queue, self._send, self._stop)
        self.waiting = WaitingMessages(icons)
        self.attachments = AttachmentStrip(icons, self._editor.document())
        self.past = MessagePast(self._editor, self.attachments)
        # Asked by Ctrl+Z before text and files: whether something else was undone, that came later.
        self.undo_beyond: Callable[[], bool] = bool
        self._hint = ComposerHint()
        self._card = QFrame()
        self._card.setObjectName("composerCard")
        self._lay_out()
        self._connect()
        self._text_size.changed.connect(self._on_text_size)
        self._refresh_buttons()

    def _connect(self) -> None:
        self._editor.takes_files = True
        self._editor.undo_other = self._undo_other
        self._editor.redo_other = self.attachments.redo
        self._editor.history_wanted.connect(self.history_wanted)
        self._editor.files_pasted.connect(self.files_pasted)
        self._editor.image_pasted.connect(self.image_pasted)
        self._editor.long_text_pasted.connect(self.long_text_pasted)
        self._attach.clicked.connect(self.attach_requested)
        self.attachments.changed.connect(self._on_files_changed)
        self.attachments.resized.connect(self._fit_window)
        self._editor.textChanged.connect(self._on_text_changed)
        self._editor.send_pressed.connect(self.submit)
        self._editor.stop_pressed.connect(self.escape)
        self._editor.focus_changed.connect(self._show_focus)
        self._editor.up_pressed.connect(self.edit_last_requested)
        self._editor.composed.connect(self._refresh_buttons)
        self._send.clicked.connect(self.submit)
        self._queue.clicked.connect(self.submit)
        self.waiting.focus_left.connect(self.focus_editor)
        self.waiting.changed.connect(self._fit_window)
        self._stop.clicked.connect(self.stop_requested)

    @property
    def text(self) -> str:
        """What stands in the field."""
        return self._editor.toPlainText()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all stands in the field; told without reading it."""
        return self._editor.document().isEmpty()

    @property
    def files(self) -> Files:
        """The files that go with the message, as far as they are read."""
        return self.attachments.files

    @property
    def is_generating(self) -> bool:
        """Whether Stop is offered."""
        return self._generating

    def set_text(self, text: str) -> None:
        """Replace the text and put the cursor at its end."""
        self._editor.set_text(text)

    def insert_text(self, text: str) -> None:
        """Put ``text`` at the cursor."""
        self._editor.insert_text(text)

    def paste(self) -> None:
        """Put what is in the clipboard at the cursor, or take it as a file."""
        self._editor.paste()

    def start_over(self, text: str, files: Files = ()) -> None:
        """Hold ``text`` and ``files``, with nothing before it that Undo could bring back: of
        another message."""
        if text != self.text:
            self._editor.start_over(text)
        else:
            self._editor.document().clearUndoRedoStacks()
        self.past.begin()
        self.attachments.start_over(files)

    def clear(self) -> None:
        """Empty the field, and take the files out."""
        self.attachments.clear()
        self._editor.set_text("")

    def put_back(self, text: str, files: Files) -> None:
        """Take in what was to be sent and could not be, before what there is."""
        self.attachments.put_back(files)
        self._editor.set_text(text + self.text)

    def show_hint(self, words: str) -> None:
        """Say what is wrong with the message as it stands; nothing for an empty text, or what there
        is to be filled in."""
        if self._hint.say(words or self._unfilled):
            self._fit_window()

    def set_generating(self, generating: bool) -> None:
        """Show Stop instead of Send; while it is shown, what is sent is queued."""
        moves_focus = self._send.hasFocus() or self._stop.hasFocus()
        self._generating = generating
        self._refresh_buttons()
        if moves_focus:
            (self._stop if generating else self._editor).setFocus()

    def set_held(self, words: str) -> None:
        """Show Stop, and say that something is measured before it is begun; nothing is for an empty
        text."""
        if words == self._held:
            return
        moves_focus = self._send.hasFocus() or self._stop.hasFocus()
        before, self._held = self._held, words
        self._refresh_buttons()
        if words or self._hint.text() == before:
            self.show_hint(words)
        if moves_focus:
            self._editor.setFocus()

    def set_leavable(self, is_leavable: bool) -> None:
        """Whether what stands here is a waiting message that is changed: Esc gives that up then,
        and stops nothing."""
        if is_leavable != self._is_leavable:
            self._is_leavable = is_leavable
            self._queue.set_saving(is_leavable)
            self._refresh_buttons()

    @Slot()
    def escape(self) -> bool:
        """Do what Esc does; whether there was something to be done."""
        if self._is_leavable:
            self.leave_requested.emit()
        elif self._generating or self._held:
            self.stop_requested.emit()
        return self._is_leavable or self._generating or bool(self._held)

    def set_placeholder(self, text: str) -> None:
        """The text of the empty field, such as ``Message SmolLM2…``."""
        self._editor.set_placeholder(text)

    def set_enter_sends(self, enter_sends: bool) -> None:
        """Whether Enter alone sends; Ctrl+Enter always does."""
        self._editor.enter_sends = enter_sends
        self.enter_sends_changed.emit(enter_sends)

    def set_window_height(self, height: int, room: int | None = None) -> None:
        """Grow to at most a share of the window's ``height``, from now on, and keep within ``room``
        (px), which is what all but the transcript leaves of it."""
        self._window_height = height
        self._room = height if room is None else room
        self.waiting.set_max_shown(height // WINDOW_PER_WAITING)
        self._fit_window()

    @Slot()
    def focus_editor(self) -> None:
        """Let the person type."""
        self._editor.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def submit(self) -> None:
        """Emit ``submitted`` or, while an answer is under way, ``queued``; but not for nothing, and
        not while a file is still being read."""
        QGuiApplication.inputMethod().commit()
        if self.attachments.is_reading:
            self.show_hint(STILL_READING)
        elif self._has_content:
            self._show_unfilled(self.unfilled())
            if self._unfilled:
                return
            (self.queued if self._generating else self.submitted).emit(self.text)

    def _show_unfilled(self, words: str) -> None:
        before, self._unfilled = self._unfilled, words
        if words or self._hint.text() == before:
            self.show_hint(words)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_window()

    @Slot(int)
    def _on_text_size(self, _percent: int) -> None:
        self._editor.use_text_size()
        self._fit_column()
        self._fit_window()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit_window()  # the hint may have other lines

    @Slot()
    def _fit_window(self) -> None:
        if not self._window_height:
            return
        strip, hint, waiting = self.attachments, self._hint, self.waiting
        width = min(self.width() - 2 * SIDE, self._card.maximumWidth())
        room = self._room - (0 if waiting.isHidden() else waiting.height_in(width) + 2 * GRID)
        around = OUTER + AROUND  # not what the layouts say, which are behind by a turn
        around += 0 if hint.isHidden() else hint.heightForWidth(width - AROUND) + GRID
        around += 0 if strip.isHidden() else GRID
        heights = strip.height_of, self._editor.height_of
        shares = shared(self._window_height, room, around, *heights)
        strip.set_max_height(shares.files)
        self._editor.set_max_height(shares.text)
        self._use_outer(TIGHT if shares.is_tight else OUTER)

    def _use_outer(self, outer: int) -> None:
        above = outer // 3
        self._outer.setContentsMargins(SIDE, above, SIDE, outer - above)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self._card)
        rows.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        rows.setSpacing(GRID)
        rows.addWidget(self.attachments)
        rows.addWidget(self._hint)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        row.addWidget(self._attach, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self._editor, 1, Qt.AlignmentFlag.AlignVCenter)
        for button in (self._queue, self._send, self._stop):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        rows.addLayout(row)
        # In the middle where there is more room: so a box treats an only widget.
        self._fit_column()
        outer = self._outer = QVBoxLayout(self)
        self._use_outer(OUTER)
        outer.setSpacing(2 * GRID)
        for part in (self.waiting, self._card):
            line = QHBoxLayout()
            line.addWidget(part)
            outer.addLayout(line)
        # Not fixed: that would be as high as it likes to be, whatever lines the hint takes.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setFocusProxy(self._editor)
        order = (self._editor, self._attach, self._queue, self._send, self._stop)
        for before, after in pairwise(order):
            self.setTabOrder(before, after)
        self.attachments.tab_after = self._attach
        self.waiting.leads_to = self  # from which Tab comes to the editor, over what is between

    def _fit_column(self) -> None:
        width = self._text_size.column_width
        for part in (self.waiting, self._card):
            part.setMaximumWidth(width)

    def _undo_other(self) -> bool:
        return self.undo_beyond() or self.attachments.undo()

    @property
    def _has_content(self) -> bool:
        return self._would_send(self.text)

    def _would_send(self, text: str) -> bool:
        return not _is_blank(text) or bool(self.files)

    @Slot()
    def _on_text_changed(self) -> None:
        if self._unfilled:
            self._show_unfilled("")
        text = self.text  # once for each key: of 100 kB that takes 0.2 ms
        self._offer_sending(text)
        self.text_changed.emit(text)

    @Slot()
    def _on_files_changed(self) -> None:
        if self._hint.text() == STILL_READING and not self.attachments.is_reading:
            self.show_hint("")
        self._refresh_buttons()

    @Slot(bool)
    def _show_focus(self, focused: bool) -> None:
        self._card.setProperty("focused", focused)
        self._card.style().polish(self._card)

    @Slot()
    def _refresh_buttons(self) -> None:
        is_busy = self._generating or bool(self._held)
        self._editor.stoppable = is_busy or self._is_leavable
        self._send.setVisible(not is_busy)
        self._stop.setVisible(is_busy)
        self._offer_sending(self.text)

    def _offer_sending(self, text: str) -> None:
        can_send = self._would_send(text) or self._editor.is_composing()  # which `submit` ends
        self._send.setEnabled(can_send)
        self._queue.setVisible(self._generating and can_send)


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _round_button(icons: Icons, icon: str, label: str, name: str, shortcut: str) -> QToolButton:
    button = icon_button(icons, icon, label, shortcut=shortcut, role="on_accent")
    button.setObjectName(name)
    button.setFixedSize(QSize(BUTTON_SIZE, BUTTON_SIZE))
    return button
