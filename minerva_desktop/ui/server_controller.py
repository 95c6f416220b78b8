"""The local server in the window: its switch, its own window, its keys and its requests.

Glue between the widgets and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.services import Services
from minerva_desktop.chat.served_request import RequestRecord
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.tasks import UiTasks

if TYPE_CHECKING:
    from minerva_desktop.ui.server_window import ServerWindow

LOOKS_FOR_KEYS = 4  # the keys are read with every so many looks at the requests


class ServerController(QObject):
    """Switches the endpoint, and shows what it does."""

    def __init__(
        self,
        window: MainWindow,
        icons: Icons,
        services: Services,
        worker: EngineWorker,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._status = window.status
        self._parent = window
        self._icons = icons
        self._settings = services.settings
        self._keys = services.access_keys
        self._worker = worker
        self._tasks = tasks
        self._state = (ServerState.OFF, "")
        self._opened: ServerWindow | None = None
        self._n_looks = 0
        window.status.server_toggled.connect(self._on_toggled)
        window.status.server_details_clicked.connect(self.open)
        worker.requests_listed.connect(self._on_requests)

    def start_if_wanted(self) -> None:
        """Switch the endpoint on if it was on when the app was closed."""
        if self._settings.current.server_enabled:
            self._on_toggled(True)

    def forget_failure(self) -> None:
        """Take the reason of a failure away, once it no longer holds."""
        if self._state[0] is ServerState.FAILED:
            self._tell(ServerState.OFF)

    @Slot()
    def open(self) -> None:
        """Show the server's window."""
        opened = self._opened or self._make_window()
        settings = self._settings.current
        opened.set_state(*self._state)
        opened.set_settings(settings.server_port, reaches_network=settings.server_network)
        opened.show()
        opened.raise_()
        opened.activateWindow()
        self._tasks.start(self._show_keys())

    def _make_window(self) -> ServerWindow:
        opened = self._opened = late_dialogs.server_window()(self._icons, self._parent)
        opened.toggled.connect(self._on_toggled)
        opened.port_chosen.connect(self._on_port)
        opened.reach_chosen.connect(self._on_reach)
        opened.key_wanted.connect(self._on_key_wanted)
        opened.key_revoked.connect(self._on_key_revoked)
        opened.cancel_requested.connect(self._worker.cancel_request)
        opened.prompt_wanted.connect(self._on_prompt_wanted)
        opened.look_wanted.connect(self._look)
        return opened

    # -- on and off ------------------------------------------------------------------------

    @Slot(bool)
    def _on_toggled(self, on: bool) -> None:
        self._settings.remember(server_enabled=on)
        self._tasks.start(self._start() if on else self._stop())

    async def _start(self) -> None:
        self._tell(ServerState.STARTING)
        settings = self._settings.current
        try:
            url = await self._worker.start_endpoint(
                settings.server_port, reaches_network=settings.server_network
            )
        except MinervaError as error:
            self._tell(ServerState.FAILED, error.message)
            return
        self._tell(ServerState.ON, f"{url}/v1")

    async def _stop(self) -> None:
        await self._worker.stop_endpoint()
        self._tell(ServerState.OFF)

    def _tell(self, state: ServerState, text: str = "") -> None:
        self._state = (state, text)
        self._status.set_server(state, text)
        if self._opened is not None:
            self._opened.set_state(state, text)

    @Slot(int)
    def _on_port(self, port: int) -> None:
        self._change(server_port=port)

    @Slot(bool)
    def _on_reach(self, reaches_network: bool) -> None:
        self._change(server_network=reaches_network)

    def _change(self, **changes: object) -> None:
        """Listen as ``changes`` want from now on."""
        if msgspec.structs.replace(self._settings.current, **changes) == self._settings.current:
            return
        self._settings.remember(**changes)
        if self._state[0] in (ServerState.ON, ServerState.FAILED):
            self._tasks.start(self._start())

    # -- keys ------------------------------------------------------------------------------

    @Slot(str)
    def _on_key_wanted(self, name: str) -> None:
        self._tasks.start(self._create_key(name))

    @Slot(str)
    def _on_key_revoked(self, name: str) -> None:
        self._tasks.start(self._revoke_key(name))

    async def _create_key(self, name: str) -> None:
        try:
            key = await self._keys.create(name)
        except MinervaError as error:
            self._show_key_problem(error)
            return
        if self._opened is not None:
            self._opened.show_new_key(key)
        await self._show_keys()

    async def _revoke_key(self, name: str) -> None:
        if self._opened is not None:
            self._opened.forget_new_key()
        try:
            await self._keys.revoke(name)
        except MinervaError as error:
            self._show_key_problem(error)
        await self._show_keys()

    async def _show_keys(self) -> None:
        try:
            keys = await self._keys.listed()
        except MinervaError as error:
            self._show_key_problem(error)
            return
        if self._opened is not None:
            self._opened.set_keys(keys)

    def _show_key_problem(self, error: MinervaError) -> None:
        if self._opened is not None:
            self._opened.show_problem(error.message)

    # -- requests --------------------------------------------------------------------------

    @Slot()
    def _look(self) -> None:
        """At the requests each time, and now and then at the keys, which others may change."""
        self._worker.list_requests()
        self._n_looks += 1
        if self._n_looks % LOOKS_FOR_KEYS == 0:
            self._tasks.start(self._show_keys())

    @Slot(object)
    def _on_requests(self, records: Sequence[RequestRecord]) -> None:
        if self._opened is not None:
            self._opened.set_requests(records)

    @Slot(int)
    def _on_prompt_wanted(self, number: int) -> None:
        self._tasks.start(self._show_prompt(number))

    async def _show_prompt(self, number: int) -> None:
        try:
            text = await self._worker.request_prompt(number)
        except MinervaError as error:
            text = error.message
        if self._opened is not None:
            self._opened.show_prompt(number, text)
