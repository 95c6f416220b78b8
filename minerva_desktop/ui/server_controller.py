"""The local server in the window: its switch, its own window, its keys and its requests.

Glue between the widgets and `EngineWorker`. Main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.services import Services
from minerva_desktop.chat.served_request import GRACE_SECONDS, SOON_SECONDS, RequestRecord
from minerva_desktop.errors import MinervaError
from minerva_desktop.settings import Settings
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.endpoint_calls import Ending
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.tasks import LatestTask, UiTasks

if TYPE_CHECKING:
    from minerva_desktop.ui.server_window import ServerWindow

Result = TypeVar("Result")

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
        self._served: Settings | None = None  # as it was last able to serve
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
        opened.stop_now.connect(self._worker.endpoint.hurry)
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
        if on:
            self._begin_start()
        else:
            self._turn += 1
            self._tell(ServerState.STOPPING)  # at once: what is changed now must not start it
            self._tasks.start(self._stop(self._turn))

    def _begin_start(self) -> None:
        self._turn += 1
        self._tell(ServerState.STARTING)
        self._tasks.start(self._start(self._turn))

    async def _start(self, turn: int) -> None:
        if turn != self._turn:
            return  # the person wants something else by now
        settings = self._settings.current
        try:
            starting = self._worker.endpoint.start(settings)
            url = await self._held_up(turn, starting, restarts)
        except MinervaError as error:
            await self._on_not_started(turn, error)
            return
        self._served = settings
        self._tell_last(turn, ServerState.ON, f"{url}/v1")
        held = partial(has_moved, settings.server_port)
        await self._held_up(turn, self._worker.endpoint.moved(), held)

    async def _on_not_started(self, turn: int, error: MinervaError) -> None:
        """Where it still serves as it did before, what was refused is taken back."""
        url, before = await self._worker.endpoint.url(), self._served
        if turn != self._turn:
            return
        if url is None or before is None:
            self._tell(ServerState.FAILED, error.message)
            return
        self._settings.remember(
            server_port=before.server_port, server_network=before.server_network
        )
        self._tell(ServerState.ON, f"{url}/v1")
        self._show_refusal(error)

    async def _stop(self, turn: int) -> None:
        await self._held_up(turn, self._worker.endpoint.stop(), stops)
        self._tell_last(turn, ServerState.OFF)

    async def _held_up(
        self, turn: int, work: Coroutine[Any, Any, Result], held: Callable[[Ending], Held]
    ) -> Result:
        """The result of ``work``. Where it takes a while, the person is told of the requests that
        it waits for; ``held`` says how."""
        running, is_told = asyncio.ensure_future(work), False
        while not (await asyncio.wait((running,), timeout=SOON_SECONDS))[0]:
            try:
                told = held(await self._worker.endpoint.ending())
            except MinervaError:
                break  # the window closes
            if turn != self._turn or not told.n_requests:
                continue
            if not is_told:
                is_told = True
                self._notifications.show_notice(ending_notice(told.words))
                if told.state is not None:
                    self._tell(told.state)
            if self._opened is not None:
                self._opened.set_ending(told.n_requests)
        try:
            return await running
        finally:
            if turn == self._turn:
                self._notifications.dismiss(ENDING)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        if callback_id == END_NOW:
            self._worker.endpoint.hurry()

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
        if self._remember(**{name: value}):
            self._tasks.start(self._worker.endpoint.use_rules(self._settings.current))

    def _change(self, **changes: object) -> None:
        """Listen as ``changes`` want from now on."""
        is_off = self._state[0] in (ServerState.STOPPING, ServerState.OFF)
        if self._remember(**changes) and not is_off:
            self._begin_start()

    def _remember(self, **changes: object) -> bool:
        """Whether they change anything."""
        before = self._settings.current
        self._settings.remember(**changes)
        return self._settings.current != before

    def _show_refusal(self, error: MinervaError) -> None:
        if self._opened is not None:
            self._opened.set_settings(self._settings.current)
            self._opened.show_refusal(
                f"Not changed: {error.message}. The local server goes on as it was."
            )

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


class Held(NamedTuple):
    """What is said of the requests that something waits for, and what the server does so long, if
    that is not what it did."""

    n_requests: int
    words: str
    state: ServerState | None = None


def restarts(ending: Ending) -> Held:
    """Where it listens anew on the port that they are on."""
    n_here, _ = ending
    return Held(n_here, _grace_words("restarts", n_here), ServerState.RESTARTING)


def stops(ending: Ending) -> Held:
    """Where it is switched off."""
    n_requests = sum(ending)
    return Held(n_requests, _grace_words("stops", n_requests))


def has_moved(port: int, ending: Ending) -> Held:
    """Where it listens on ``port`` already."""
    _, n_moved = ending
    requests = "1 running request" if n_moved == 1 else f"{n_moved} running requests"
    words = (
        f"The local server listens on port {port} now. {requests} on the old one "
        f"{'has' if n_moved == 1 else 'have'} {GRACE_SECONDS:.0f} seconds to end."
    )
    return Held(n_moved, words)


def _grace_words(what: str, n_requests: int) -> str:
    requests = "1 running request has" if n_requests == 1 else f"{n_requests} running requests have"
    return f"The local server {what} once {requests} ended, in {GRACE_SECONDS:.0f} seconds at most."


def ending_notice(words: str) -> Notice:
    """Says that, and offers to wait for nothing."""
    end = NoticeAction("End them now", END_NOW)
    return Notice(NoticeKind.INFO, words, actions=(end,), key=ENDING, stays=True)
