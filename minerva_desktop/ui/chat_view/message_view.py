"""One message of the transcript: what questions and answers have in common.

`MessageText` renders its text in slices. `MessageColumn` calls `render_some` and `arrange`, and
lends it a row of actions while a person is there. `make_message_view` builds one. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QEnterEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.action_row import ActionRow
from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.branch_navigator import BranchNavigator
from minerva_desktop.ui.chat_view.copy_button import SIZE
from minerva_desktop.ui.chat_view.message_parts import ICON
from minerva_desktop.ui.chat_view.message_text import MessageText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.spoken_text import SpokenText
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.tab_order import lead_from
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

ROW_HEIGHT = SIZE  # px at the bottom of each message, for its actions
# Icons, not their buttons, stand in line with the text above.
OUTDENT = (SIZE - ICON) // 2


class MessageView(QWidget):
    """Shows ``message``. ``rendering_needed(id)`` asks for `render_some` to be called, and
    ``layout_changed`` for `arrange`. ``menu_requested(id, place)``: its menu is wanted there;
    ``branch_requested(id)``: that alternative is. ``pointer_changed(id, here)``."""

    gap_below = 0  # px between it and the next message

    rendering_needed = Signal(str)
    layout_changed = Signal()
    menu_requested = Signal(str, QPoint)
    edit_requested = Signal(str)
    branch_requested = Signal(str)
    pointer_changed = Signal(str, bool)

    def __init__(
        self, message: Message, rendering: Rendering, icons: Icons, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._icons = icons
        self._message = message
        self._is_last = False
        self._fitted = (-1, 0)  # width and height of the last arrange, while still true
        self._place: tuple[int, int, int, int] | None = None
        self.top = self.bottom = 0  # px of its column; as its geometry, without asking Qt
        self._navigator: BranchNavigator | None = None
        self._row: ActionRow | None = None
        self.setObjectName("message")
        self._body = RichTextView(icons, rendering.formats, self)
        self._body.setObjectName("messageText")
        self._body.whole_source = self.source
        self._body.shows_all = lambda: self.is_whole
        self._body.ring_changed.connect(self.update)
        self._body.menu_requested.connect(self._on_menu_requested)
        self._body.edit_requested.connect(self._on_edit_requested)
        self._body.height_changed.connect(self._on_height_changed)
        self._body.rows_requested.connect(self._on_rows_requested)
        self._text = MessageText(message, rendering.parser, self._body)
        self._spoken = SpokenText(self, self._body)
        self._unfold: QPushButton | None = None  # few are folded

    def show_author(self, model_names: Mapping[str, str]) -> None:
        """Say who speaks; a model by the name that its file has in ``model_names``, if any."""
        author = self._author(model_names)
        for widget in (self, self._body):
            widget.setAccessibleName(author)

    # -- content -----------------------------------------------------------------------------

    @property
    def message(self) -> Message:
        """The message as it was last given; its text may be behind `source`."""
        return self._message

    @property
    def body(self) -> RichTextView:
        """The widget that shows the text."""
        return self._body

    @property
    def bodies(self) -> list[RichTextView]:
        """All texts of it that are shown now, from the top down."""
        return [] if self._body.isHidden() else [self._body]

    @property
    def navigator(self) -> BranchNavigator | None:
        """The way to its alternatives, where there are any."""
        navigator = self._navigator
        return None if navigator is None or navigator.isHidden() else navigator

    def follow(self, before: QWidget) -> None:
        """Have Tab lead from ``before`` to the message, and through it from the top down."""
        self._lead_through(before)
        if self._navigator is not None:
            lead_from(self._last_in_content, self._navigator.buttons)

    def _lead_through(self, before: QWidget) -> None:
        QWidget.setTabOrder(before, self._body)
        if self._unfold is not None:
            QWidget.setTabOrder(self._body.last_stop, self._unfold)

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in the message, where its row of actions is elsewhere."""
        return self._last_in_content if self._navigator is None else self._navigator.buttons[-1]

    before_row = last_stop  # what Tab comes to before the row of actions

    @property
    def _last_in_content(self) -> QWidget:
        return self._body.last_stop if self._unfold is None else self._unfold

    @property
    def is_read_by_keyboard(self) -> bool:
        """Whether the focus is at its text or at its alternatives."""
        navigator, focused = self.navigator, QApplication.focusWidget()
        if navigator is not None and focused is not None and navigator.isAncestorOf(focused):
            return True
        return self._body.hasFocus()

    @property
    def is_edited(self) -> bool:
        """Whether the person is editing it."""
        return False

    @property
    def is_whole(self) -> bool:
        """Whether it shows all text so far, with nothing folded or still to be rendered."""
        return self._text.is_whole

    @property
    def is_folded(self) -> bool:
        """Whether a part of it waits for `unfold`."""
        return self._text.is_folded

    def source(self) -> str:
        """All text so far, rendered or not, as it was written."""
        return self._text.source

    def plain_text(self) -> str:
        """The text as it is shown."""
        return self._body.plain_text()

    def move_to(self, message: Message) -> None:
        """It is the same message, at another place in the chat."""
        self._message = message

    def set_last(self, is_last: bool) -> None:
        """Whether it is the last message of the chat, with which a model could go on."""
        if is_last != self._is_last:
            self._is_last = is_last
            self._show_state()

    def show_place(self, place: BranchPlace | None) -> None:
        """Which of its alternatives it is; None where there are none."""
        if place is not None:
            if self._navigator is None:
                navigator = BranchNavigator(self._icons, self)
                lead_from(self._last_in_content, navigator.buttons)
                self._navigator = navigator
                self._navigator.branch_requested.connect(self.branch_requested)
                self._listen("Alt+Left", self._on_back_requested)
                self._listen("Alt+Right", self._on_on_requested)
            self._navigator.show_place(place)
            self._navigator.show()
        elif self._navigator is not None:
            self._navigator.hide()
        self._fitted = (-1, 0)

    def _listen(self, keys: str, obey: Callable[[], None]) -> None:
        """Obey ``keys`` wherever the keyboard is in the message: buttons would take arrows for a
        wish to go to the next button, whatever is held."""
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(obey)

    def take_keyboard(self) -> None:
        """Have it at the text, also where that is empty."""
        self._body.setFocus(Qt.FocusReason.TabFocusReason)

    def _step(self, by: int) -> None:
        """Show the alternative ``by`` places further, with the keyboard at its text."""
        navigator = self.navigator
        if navigator is None or self.is_edited:
            return
        if not self.is_read_by_keyboard:
            self.take_keyboard()
        navigator.step(by)

    # -- rendering ---------------------------------------------------------------------------

    def render_some(self, seconds: float) -> bool:
        """Render for about ``seconds``; whether something is left to render."""
        self._fitted = (-1, 0)
        if self._text.is_folded:
            self._show_fold()  # it may be while it is written, and then it grows
        if self._text.render_some(seconds):
            return True
        self._spoken.follow(is_finished=self._text.is_finished)
        return False

    def restyle(self) -> None:
        """Use the colours of the theme and the size of text in force."""
        self._body.restyle()
        self._fitted = (-1, 0)

    def recolour_some(self, seconds: float) -> bool:
        """Go on with what `restyle` left for about ``seconds``; whether something is left."""
        if self.moves_text:
            self._fitted = (-1, 0)
        return any(each.recolour_some(seconds) for each in self.findChildren(RichTextView))

    @property
    def moves_text(self) -> bool:
        """Whether `recolour_some` gives text another place."""
        return any(each.recolouring.moves_text for each in self.bodies)

    def unfold(self, rows: list[Row] | None = None) -> None:
        """Show all of a text that is too long to be shown unasked; nothing where it is shown, or
        about to be: who asks again with every slice of it must not begin the next one. ``rows``: as
        for `MessageText.unfold`."""
        if not self._text.is_folded:
            return
        self._text.unfold(rows)
        self._hide_fold()
        self.rendering_needed.emit(self._message.id)

    @property
    def share_shown(self) -> float:
        """How much of the text that is to be shown is, from 0 to 1."""
        return self._text.share_shown

    def _show_fold(self) -> None:
        """Offer what is folded, if anything is."""
        if self._text.is_folded:
            if self._unfold is None:
                self._unfold = QPushButton(self)
                self._unfold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                self._unfold.clicked.connect(partial(self.unfold, None))
                QWidget.setTabOrder(self._body.last_stop, self._unfold)
            words = f"Show all ({format_bytes(self._text.n_bytes)})"
            if words != self._unfold.text():
                self._unfold.setText(words)
            self._unfold.show()
        else:
            self._hide_fold()

    def _hide_fold(self) -> None:
        if self._unfold is not None:
            self._unfold.hide()

    def _place_fold(self, left: int, y: int) -> int:
        """The height that the offer takes at ``left``, ``y`` px; 0 where nothing is folded."""
        if self._unfold is None or not self._text.is_folded:
            return 0
        self._unfold.adjustSize()
        self._unfold.move(left, y)
        return self._unfold.height() + 2 * GRID

    # -- layout ------------------------------------------------------------------------------

    def carry(self, row: ActionRow) -> None:
        """Have ``row`` under the text; it is a child already."""
        self._row = row
        self._place_row()

    def drop_row(self, row: ActionRow) -> None:
        """``row`` goes elsewhere."""
        if row is self._row:
            self._row = None

    @property
    def arranged_width(self) -> int:
        """The width in px of the last `arrange`; -1 if the content changed since."""
        return self._fitted[0]

    def arrange(self, width: int) -> int:
        """Take ``width`` px and place everything; the height in px that it needs."""
        if self._fitted[0] != width:
            self._fitted = (width, self._arrange(width) + ROW_HEIGHT)
            self._place_row()
        return self._fitted[1]

    def place(self, left: int, top: int, width: int, height: int) -> None:
        """Take that place in the column, px."""
        place = (left, top, width, height)
        if place != self._place:
            self._place = place
            self.top, self.bottom = top, top + height
            self.setGeometry(left, top, width, height)

    def _navigator_width(self) -> int:
        return 0 if self.navigator is None else self.navigator.width()

    def _place_row(self) -> None:
        if self._fitted[0] < 0:
            return  # `arrange` comes
        y = self._fitted[1] - ROW_HEIGHT
        taken = self._navigator_width()
        row_width = 0 if self._row is None else self._row.width()
        navigator_x, row_x = self._row_places(self._fitted[0], taken, row_width)
        if self._navigator is not None:
            self._navigator.move(navigator_x, y)
        if self._row is not None:
            self._row.move(row_x, y)

    # -- what a question or an answer adds ---------------------------------------------------

    def _author(self, model_names: Mapping[str, str]) -> str:
        """Who speaks."""
        raise NotImplementedError

    def _show_state(self) -> None:
        """Show how the message goes or ended."""

    def _arrange(self, width: int) -> int:
        """Place all but the actions in ``width`` px; the height in px that it needs."""
        raise NotImplementedError

    def _row_places(self, width: int, navigator: int, row: int) -> tuple[int, int]:
        """Where the navigator and the actions begin, that are so wide, in ``width`` px."""
        raise NotImplementedError

    def _ring(self) -> tuple[QRectF, float]:
        """Where the ring of the keyboard's focus goes, and its radius."""
        raise NotImplementedError

    # -- Qt ----------------------------------------------------------------------------------

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.pointer_changed.emit(self._message.id, True)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointer_changed.emit(self._message.id, False)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Asked for beside the text: at its files, its numbers, the edge of its bubble."""
        self.menu_requested.emit(self._message.id, event.globalPos())

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._body.has_ring:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QColor(self._icons.theme.accent))
            ring, radius = self._ring()
            painter.drawRoundedRect(ring, radius, radius)

    # -- slots -------------------------------------------------------------------------------

    @Slot()
    def _on_rows_requested(self) -> None:
        self._text.show_all_rows()
        self.rendering_needed.emit(self._message.id)

    @Slot()
    def _on_height_changed(self) -> None:
        self._fitted = (-1, 0)
        self.layout_changed.emit()

    @Slot(QPoint)
    def _on_menu_requested(self, place: QPoint) -> None:
        self.menu_requested.emit(self._message.id, place)

    @Slot()
    def _on_back_requested(self) -> None:
        self._step(-1)

    @Slot()
    def _on_on_requested(self) -> None:
        self._step(1)

    @Slot()
    def _on_edit_requested(self) -> None:
        self.edit_requested.emit(self._message.id)
