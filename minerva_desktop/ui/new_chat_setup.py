"""The system prompt and the parameters of a chat without messages, kept until it has one.

Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.settings import ChatSetup, SettingsFile
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.tasks import UiTasks

KEEP_MS = 500  # after the last change

Values = tuple[str, SamplingParameters]


class NewChatSetup(QObject):
    """A chat without messages is not among the chats on disk. What a person sets in it is kept in
    the settings: for the next start, and for when they look at another chat meanwhile. Of a
    temporary one nothing is kept."""

    def __init__(self, window: MainWindow, settings: SettingsFile, tasks: UiTasks) -> None:
        super().__init__(window)
        self._panel = window.parameters
        self._settings = settings
        self._offers = Offers("setup:", window.notifications, tasks)
        self._session: ChatSession | None = None  # the open chat's, while it is new
        self._is_unkept = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(KEEP_MS)
        self._timer.timeout.connect(self.keep)
        self._panel.changed.connect(self._on_changed)

    def begin(self, usual: Values) -> Values:
        """What a new chat begins with: what was set in the one that was left, else ``usual``. Who
        asks for a new chat in a new one wants the usual, and can take that back."""
        if self._session is None:
            kept = self._settings.current.new_chat_setup
            return usual if kept is None else (kept.system_prompt, kept.sampling)
        shown = self._panel.values()
        self._forget()
        if shown != usual:
            self._offer_undo(shown)
        return usual

    def enter(self, session: ChatSession) -> None:
        """That chat is shown now."""
        self._session = session if is_new(session) else None

    def leave(self) -> None:
        """Another chat is about to be shown."""
        self.keep()
        self._session = None

    def end(self, session: ChatSession) -> None:
        """It has a message now."""
        if session is self._session:
            self._forget()
            self._session = None

    @Slot()
    def keep(self) -> None:
        """Have on disk what is set by now, where the person set something."""
        self._timer.stop()
        if self._is_unkept:
            self._is_unkept = False
            self._remember(self._panel.values())

    def _remember(self, values: Values) -> None:
        system_prompt, sampling = values
        setup = ChatSetup(system_prompt=clean_text(system_prompt), sampling=sampling)
        self._settings.remember(new_chat_setup=setup)

    def _forget(self) -> None:
        self._timer.stop()
        self._is_unkept = False
        self._settings.remember(new_chat_setup=None)

    def _offer_undo(self, values: Values) -> None:
        async def undo() -> None:
            if self._session is not None:
                self._panel.apply(*values)
            else:  # the next new chat has them
                self._remember(values)

        self._offers.undo("The new chat has the usual settings again", undo)

    @Slot()
    def _on_changed(self) -> None:
        if self._session is not None:
            self._is_unkept = True
            self._timer.start()


def is_new(session: ChatSession) -> bool:
    """Whether a chat is to be kept, and has nothing yet to keep it for. One that lost all its
    messages has a title."""
    conversation = session.conversation
    return not len(conversation) and not conversation.title and not session.is_temporary
