"""What few people need to say about the local server, folded away in its window. Main thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from minerva_desktop.caller_names import browser_origin, check_host
from minerva_desktop.settings import (
    DEFAULT_WAITING,
    MAX_REQUEST_SECONDS,
    MAX_WAITING,
    Settings,
)
from minerva_desktop.ui.chat_view.disclosure import PADDING, Disclosure
from minerva_desktop.ui.forms import Form, number_field
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.names_field import NamesField
from minerva_desktop.ui.number_fields import WholeField
from minerva_desktop.ui.theme import GRID

NAMES_WIDTH = 84 * GRID  # px; holds two origins


class ServerAdvanced(QWidget):
    """``chosen`` carries the name of a setting and its new value, once its field was left;
    ``opened`` whether its fields are shown now."""

    chosen = Signal(str, object)
    opened = Signal(bool)

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._origins = NamesField("None", browser_origin, "each is written https://host[:port]")
        _dress(self._origins, "serverOrigins", "Web pages that may call")
        self._hosts = NamesField(
            "None", check_host, "names such as chat.example.org, without a port"
        )
        _dress(self._hosts, "serverHosts", "Other names of this server")
        self._seconds = number_field(
            "serverSeconds", "Seconds for a request", None, 1, MAX_REQUEST_SECONDS, "Any time"
        )
        self._waiting = number_field(
            "serverWaiting", "Requests that may wait", None, 1, MAX_WAITING, str(DEFAULT_WAITING)
        )
        for name, names in (("server_origins", self._origins), ("server_hosts", self._hosts)):
            names.editingFinished.connect(partial(self._on_names, name, names))
        for name, number, usual in (
            ("server_request_s", self._seconds, None),
            ("server_waiting", self._waiting, DEFAULT_WAITING),
        ):
            number.editingFinished.connect(partial(self._on_number, name, number, usual))
        self._disclosure = Disclosure(icons, self)
        self._disclosure.setObjectName("serverAdvanced")
        self._disclosure.set_words("Advanced")
        self._rows = QWidget()
        self._lay_out()
        self._disclosure.toggled.connect(self._rows.setVisible)
        self._disclosure.toggled.connect(self.opened)

    def set_settings(self, settings: Settings) -> None:
        """What counts now."""
        self._origins.set_names(settings.server_origins)
        self._hosts.set_names(settings.server_hosts)
        self._seconds.set_value(settings.server_request_s)
        self._waiting.set_value(settings.server_waiting)

    def _on_names(self, name: str, field: NamesField) -> None:
        if field.check():  # else it says what is wrong
            self.chosen.emit(name, field.names())

    def _on_number(self, name: str, field: WholeField, usual: int | None) -> None:
        if field.check():
            number = field.value()
            self.chosen.emit(name, usual if number is None else number)

    def _lay_out(self) -> None:
        form = Form()
        form.setContentsMargins(PADDING, 0, 0, 0)
        form.add_row(
            "Web pages that may call", self._origins, "https://host[:port], with spaces between"
        )
        form.add_row("Other names of this server", self._hosts, "as a proxy calls it")
        form.add_row("Seconds for a request", self._seconds, "with the load of its model")
        form.add_row("Requests that may wait", self._waiting, "for a model; more are refused")
        self._rows.setLayout(form)
        self._rows.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2 * GRID)
        box.addWidget(self._disclosure, 0, Qt.AlignmentFlag.AlignLeft)
        box.addWidget(self._rows)


def _dress(field: NamesField, name: str, label: str) -> None:
    field.setObjectName(name)
    field.setAccessibleName(label)
    field.setFixedWidth(NAMES_WIDTH)
