"""Text that belongs to a message but is folded away: a heading, and Markdown below it on demand.

The Markdown's widget is built when it is opened for the first time, so that what stays folded costs
nothing but its heading. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.ui.chat_view.copy_keys import AS_MARKDOWN
from minerva_desktop.ui.chat_view.disclosure import HEIGHT, Disclosure
from minerva_desktop.ui.chat_view.message_text import MessageText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

RING_RADIUS = 8
RING_INSET = 4  # px around the text


class FoldedText(QWidget):
    """``toggled(is_open)``: a person opened or folded it. ``body_made(view)``: the widget of the
    text is there; ``rows_shown``: there is more to render;
    ``height_changed``: it takes another height."""

    toggled = Signal(bool)
    body_made = Signal(RichTextView)
    rows_shown = Signal()
    height_changed = Signal()

    left = 6 * GRID  # px at the left of the text
    right = 0
    bottom = 3 * GRID

    def __init__(self, icons: Icons, rendering: Rendering, parent: QWidget, icon: str = "") -> None:
        """``icon``: the name of the one in the heading; none if empty."""
        super().__init__(parent)
        self._icons = icons
        self._rendering = rendering
        self._pieces: list[str] = []
        self._is_whole = False
        self._body: RichTextView | None = None
        self._text: MessageText | None = None
        self.heading = Disclosure(icons, self, icon)
        self.heading.clicked.connect(self._on_clicked)

    # -- content -----------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """All of its Markdown so far."""
        return "".join(self._pieces)

    @property
    def copied(self) -> str:
        """What Ctrl+C in it copies where nothing is selected."""
        return self.source

    @property
    def body(self) -> RichTextView | None:
        """The widget of the text, once it was opened."""
        return self._body

    @property
    def last_stop(self) -> QWidget:
        """What Tab comes to last in it."""
        return self.heading if self._body is None else self._body.last_stop

    def follow(self, before: QWidget) -> QWidget:
        """Have Tab lead from ``before`` to it; the last that it leads to."""
        QWidget.setTabOrder(before, self.heading)
        if self._body is not None:
            QWidget.setTabOrder(self.heading, self._body)
        return self.last_stop

    @property
    def is_open(self) -> bool:
        """Whether the text is shown."""
        return self.heading.isChecked()

    def append(self, text: str) -> None:
        """More of a text that is being written, or goes on. `render_some` shows it."""
        goes_on, self._is_whole = self._is_whole, False
        self._pieces.append(text)
        if self._text is not None and goes_on:
            self._text.begin(self._as_message())  # it was rendered as one that had ended
        elif self._text is not None:
            self._text.append(text)

    def set_source(self, source: str) -> None:
        """All of the text: it is whole. `render_some` shows it."""
        if self._is_whole and source == self.source:
            return
        self._pieces = [source]
        self._is_whole = True
        if self._text is not None:
            self._text.finish(self._as_message())
            self._text.unfold()

    def set_open(self, is_open: bool) -> None:
        """Show the text, or fold it. `render_some` shows what is new of it."""
        self.heading.setChecked(is_open)
        if is_open and self._body is None:
            self._make_body()
        if self._body is not None:
            self._body.setVisible(is_open)
        if self._body is not None and not is_open:
            self._body.clear_selection()

    def open(self) -> None:
        """As a person does it."""
        if not self.is_open:
            self.heading.click()

    @property
    def is_rendered(self) -> bool:
        """Whether all of the text is shown."""
        return self.is_open and self._text is not None and self._text.is_whole

    def render_some(self, seconds: float) -> bool:
        """Render for about ``seconds``; whether something is left to render."""
        if self._text is None or not self.is_open:
            return False
        return self._text.render_some(seconds)

    def restyle(self) -> None:
        """Use the colours of the theme and the size of text in force."""
        if self._body is not None:
            self._body.restyle()
        self.update()

    def _body_icons(self) -> Icons:
        """In whose colours the text is."""
        return self._icons

    def _make_body(self) -> None:
        body = self._body = RichTextView(self._body_icons(), self._rendering.formats, self)
        body.setAccessibleName(self.heading.accessibleName())
        body.whole_source = lambda: self.copied
        body.ring_changed.connect(self.update)
        body.menu_requested.connect(self._on_menu_requested)
        body.height_changed.connect(self.height_changed)
        body.rows_requested.connect(self._on_rows_requested)
        self._text = MessageText(self._as_message(), self._rendering.parser, body)
        self._text.unfold()
        QWidget.setTabOrder(self.heading, body)
        self.body_made.emit(body)

    def _as_message(self) -> Message:
        """What `MessageText` renders: the text as if it were an answer of its own."""
        state = MessageState.COMPLETE if self._is_whole else MessageState.STREAMING
        return Message(
            id="",
            parent_id=None,
            role=Role.ASSISTANT,
            text=self.source,
            state=state,
            created_at=0.0,
        )

    # -- layout ------------------------------------------------------------------------------

    def fit(self, width: int) -> int:
        """Take ``width`` px; the height in px that it needs."""
        self.heading.fit(width)
        height = HEIGHT
        if self._body is not None and self.is_open:
            self._body.move(self.left, height + GRID)
            height += GRID + self._body.fit(width - self.left - self.right) + self.bottom
        self.resize(width, height)
        return height

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter)
        if self._body is not None and self._body.has_ring:
            painter.setPen(QColor(self._icons.theme.accent))
            by = RING_INSET - 0.5
            ring = QRectF(self._body.geometry()).adjusted(-by, -by, by, by)
            painter.drawRoundedRect(ring, RING_RADIUS, RING_RADIUS)

    def _paint_ground(self, painter: QPainter) -> None:
        """Paint what is behind heading and text."""
        raise NotImplementedError

    # -- slots -------------------------------------------------------------------------------

    @Slot(bool)
    def _on_clicked(self, is_open: bool) -> None:
        self.set_open(is_open)
        self.toggled.emit(is_open)

    @Slot()
    def _on_rows_requested(self) -> None:
        if self._text is not None:
            self._text.show_all_rows()
            self.rows_shown.emit()

    @Slot(QPoint)
    def _on_menu_requested(self, place: QPoint) -> None:
        body = self._body
        if body is None:
            return
        menu = PopupMenu(self)
        menu.setObjectName("foldedTextMenu")
        copy = self._icons.icon("copy", "muted")
        if body.textCursor().hasSelection():
            menu.addAction(copy, "Copy selection").triggered.connect(
                body.copy_selection or body.copy
            )
            if body.copy_markdown is not None:
                menu.addAction(copy, AS_MARKDOWN).triggered.connect(body.copy_markdown)
        menu.addAction(copy, "Copy all of this").triggered.connect(self._copy_all)
        link = body.take_menu_link()
        if link:
            put = QGuiApplication.clipboard().setText
            menu.addAction("Copy link address").triggered.connect(lambda: put(link))
        menu.popup(place)

    @Slot()
    def _copy_all(self) -> None:
        QGuiApplication.clipboard().setText(clean_source(self.copied))
