"""What was asked of a model that could not be loaded is asked once a button has it loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from minerva_desktop.errors import ModelLoadError, OutOfMemory
from minerva_desktop.ui.failed_loads import FailedLoads
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_notices import RETRY_LOAD, ModelNotices
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.tasks import UiTasks

MODEL = Path("/models/tiny.gguf")


class Loads:
    """Models that are loaded, or not, when a test says so; ``asked`` is what was asked of them."""

    def __init__(self, bar: NotificationBar) -> None:
        self.bar = bar
        self._tasks = UiTasks(asyncio.get_running_loop(), lambda _: None)
        self._ends: list[asyncio.Future[bool]] = []
        notices = ModelNotices(bar, lambda path: path.name)
        self.failed = FailedLoads(bar, notices, self._load, self._tasks)
        self.asked: list[str] = []

    async def _load(self, _path: Path, _is_forced: bool) -> bool:
        end: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        return await end

    async def _ask(self, what: str) -> None:
        self.asked.append(what)

    def fail(self, what: str) -> None:
        """That was asked of a model, which could not be loaded."""
        self.failed.tell(ModelLoadError("It is not there."), MODEL)
        self.failed.keep(MODEL, partial(self._ask, what))

    async def press(self, times: int = 1) -> None:
        """Press *Try again*."""
        for _ in range(times):
            self.bar.action_triggered.emit(f"{RETRY_LOAD} {MODEL}")
        while len(self._ends) < times:
            await asyncio.sleep(0)

    async def end(self, *, is_loaded: bool) -> None:
        """All loads end so."""
        ends, self._ends = self._ends, []
        for end in ends:
            end.set_result(is_loaded)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def make_loads(qtbot: QtBot, icons: Icons) -> Callable[[], Loads]:
    bar = NotificationBar(icons)
    qtbot.addWidget(bar)
    return partial(Loads, bar)


async def test_it_is_asked_once_after_as_many_tries_as_it_takes(
    make_loads: Callable[[], Loads],
) -> None:
    loads = make_loads()
    loads.fail("One")
    await loads.press()
    await loads.end(is_loaded=False)
    assert loads.asked == []
    await loads.press(times=2)
    await loads.end(is_loaded=True)
    await loads.press()
    await loads.end(is_loaded=True)
    assert loads.asked == ["One"]


async def test_it_is_not_asked_where_another_was_chosen_while_it_was_tried_again(
    make_loads: Callable[[], Loads],
) -> None:
    """It was, when it was tried once more: of a model that was not the chosen one."""
    loads = make_loads()
    loads.fail("One")
    await loads.press()
    loads.failed.forget(MODEL)
    await loads.end(is_loaded=False)
    await loads.press()
    await loads.end(is_loaded=True)
    assert loads.asked == []


@pytest.mark.parametrize("is_left", [True, False])
async def test_what_a_model_lacked_does_not_matter_once_another_is_chosen_instead(
    make_loads: Callable[[], Loads], is_left: bool
) -> None:
    """Of a model that a client wanted it does."""
    loads = make_loads()
    loads.failed.tell_too_large(OutOfMemory("Memory exceeded"), MODEL)
    assert loads.failed.is_wanted(MODEL)
    loads.failed.forget(MODEL if is_left else MODEL.with_name("other.gguf"))
    assert (loads.bar.shown is None, loads.failed.is_wanted(MODEL)) == (is_left, not is_left)
