"""The local server in the window: its switch, its own window, its keys and its requests.

Glue between the widgets and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.services import Services
from minerva_desktop.chat.served_request import GRACE_SECONDS, RequestRecord
from minerva_desktop.errors import MinervaError
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.tasks import LatestTask, UiTasks

if TYPE_CHECKING:
    from minerva_desktop.ui.server_window import ServerWindow

ENDING = "server-ending"
END_NOW = "end-requests-now"
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
        self._notifications = window.notifications
        self._parent = window
        self._icons = icons
        self._settings = services.settings
        self._keys = services.access_keys
        self._worker = worker
        self._tasks = tasks
        self._prompt = LatestTask(tasks)
        self._state = (ServerState.OFF, "")
        self._opened: ServerWindow | None = None
        self._n_looks = 0
        self._port: int | None = None  # on which it listens, or was to
        self._turn = 0  # how often it was switched, or set anew
        window.status.server_toggled.connect(self._on_toggled)
        window.notifications.action_triggered.connect(self._on_notice_action)
        window.status.server_details_clicked.connect(self.open)
        worker.requests.listed.connect(self._on_requests)

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
        opened.set_state(*self._state)
        opened.set_settings(self._settings.current)
        opened.show()
        opened.raise_()
        opened.activateWindow()
        self._tasks.start(self._show_keys())

    def _make_window(self) -> ServerWindow:
        opened = self._opened = late_dialogs.server_window()(self._icons, self._parent)
        opened.toggled.connect(self._on_toggled)
        opened.stop_now.connect(self._worker.hurry_endpoint)
        opened.port_chosen.connect(self._on_port)
        opened.reach_chosen.connect(self._on_reach)
        opened.advanced_chosen.connect(self._on_advanced)
        opened.key_wanted.connect(self._on_key_wanted)
        opened.key_revoked.connect(self._on_key_revoked)
        opened.cancel_requested.connect(self._worker.requests.cancel)
        opened.prompt_wanted.connect(self._on_prompt_wanted)
        opened.look_wanted.connect(self._look)
        return opened

    # -- on and off ------------------------------------------------------------------------

    @Slot(bool)
    def _on_toggled(self, on: bool) -> None:
        self._settings.remember(server_enabled=on)
        self._turn += 1
        self._tasks.start(self._start(self._turn) if on else self._stop(self._turn))

    async def _start(self, turn: int) -> None:
        try:
            if self._port in (None, self._settings.current.server_port):
                await self._let_end(turn, ServerState.RESTARTING)
            n_left = await self._worker.requests.n_running()  # on the port that it leaves
            if turn != self._turn:
                return  # the person wants something else by now
            self._tell(ServerState.STARTING)
            self._port = self._settings.current.server_port
            url = await self._worker.start_endpoint(self._settings.current)
        except MinervaError as error:
            self._tell_last(turn, ServerState.FAILED, error.message)
            return
        self._tell_last(turn, ServerState.ON, f"{url}/v1")
        if n_left and turn == self._turn:
            self._notifications.show_notice(moved_notice(n_left, self._port))
            await self._worker.requests.moved()
            if turn == self._turn:
                self._notifications.dismiss(ENDING)

    async def _stop(self, turn: int) -> None:
        self._port = None
        await self._let_end(turn, ServerState.STOPPING)
        self._tell_last(turn, ServerState.OFF)

    async def _let_end(self, turn: int, state: ServerState) -> None:
        """Stop, with a grace for the requests that run, of which the person is told."""
        n_running = await self._worker.requests.n_running()
        if n_running:
            self._tell_last(turn, state)
            self._notifications.show_notice(grace_notice(n_running, state))
        await self._worker.stop_endpoint(GRACE_SECONDS)
        if n_running:
            self._notifications.dismiss(ENDING)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        if callback_id == END_NOW:
            self._worker.hurry_endpoint()

    def _tell_last(self, turn: int, state: ServerState, text: str = "") -> None:
        """`_tell`, unless the person wanted something else meanwhile."""
        if turn == self._turn:
            self._tell(state, text)

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

    @Slot(str, object)
    def _on_advanced(self, name: str, value: object) -> None:
        self._change(**{name: value})

    def _change(self, **changes: object) -> None:
        """Listen as ``changes`` want from now on."""
        if msgspec.structs.replace(self._settings.current, **changes) == self._settings.current:
            return
        self._settings.remember(**changes)
        if self._state[0] is not ServerState.STOPPING and self._state[0] is not ServerState.OFF:
            self._turn += 1
            self._tasks.start(self._start(self._turn))

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
        self._worker.requests.list_all()
        self._n_looks += 1
        if self._n_looks % LOOKS_FOR_KEYS == 0:
            self._tasks.start(self._show_keys())

    @Slot(object)
    def _on_requests(self, records: Sequence[RequestRecord]) -> None:
        if self._opened is not None:
            self._opened.set_requests(records)

    @Slot(int)
    def _on_prompt_wanted(self, number: int) -> None:
        self._prompt.start(self._show_prompt(number))

    async def _show_prompt(self, number: int) -> None:
        try:
            text = await self._worker.requests.prompt(number)
        except MinervaError as error:
            text = error.message
        if self._opened is not None:
            self._opened.show_prompt(number, text)


def grace_notice(n_running: int, state: ServerState) -> Notice:
    """Tells that so many requests hold up a server that stops or restarts, as ``state`` says."""
    what = "stops" if state is ServerState.STOPPING else "restarts"
    requests = "1 running request has" if n_running == 1 else f"{n_running} running requests have"
    return Notice(
        NoticeKind.INFO,
        f"The local server {what} once {requests} ended, in {GRACE_SECONDS:.0f} seconds at most.",
        actions=(NoticeAction("End them now", END_NOW),),
        key=ENDING,
        stays=True,
    )


def moved_notice(n_running: int, port: int) -> Notice:
    """Tells that so many requests still run on the port that the server left for ``port``."""
    requests = "1 running request" if n_running == 1 else f"{n_running} running requests"
    has = "has" if n_running == 1 else "have"
    return Notice(
        NoticeKind.INFO,
        f"The local server listens on port {port} now. {requests} on the old one {has} "
        f"{GRACE_SECONDS:.0f} seconds to end.",
        actions=(NoticeAction("End them now", END_NOW),),
        key=ENDING,
        stays=True,
    )
