"""Which devices ggml finds, and what their memory leaves for models, asked of an engine child.

On the asyncio loop of the engines.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from minerva_desktop.devices.device_list import (
    DeviceInfo,
    DeviceList,
    GpuBudgets,
    Holdings,
    can_offload,
    discrete_gpus,
)
from minerva_desktop.devices.ledgers import NOTHING, DeviceLedgers, Needs
from minerva_desktop.engine.messages import DevicesListed, ListDevices
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import NoAnswerError, ask
from minerva_desktop.errors import AppReplaced

_log = logging.getLogger(__name__)

ASK_SECONDS = 20.0  # a driver may take seconds to wake up; one that takes longer hangs
FRESH_SECONDS = 5.0  # for as long is what a GPU has free taken as known
PATIENCE_SECONDS = 60.0  # before a question that failed is asked again: it may have taken 20


class KnownDevices:
    """Asks for the devices when somebody wants to know, and keeps the budgets of the GPUs to what
    is free there.

    Where there is no GPU, one answer holds for good. Where there is, its free memory is asked
    again after `FRESH_SECONDS`, and after every load and unload. No answer is never the last word:
    a driver that hung or was being updated is asked again after `PATIENCE_SECONDS`.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[DeviceList]],
        ledgers: DeviceLedgers,
        holdings: Callable[[], Holdings],
        wished: Needs = NOTHING,
    ) -> None:
        """``ask``: see `ask_devices`; ``holdings`` tells what our models hold at a moment;
        ``wished``: see `use_budgets`."""
        self._ask = ask
        self._holdings = holdings
        self._budgets = GpuBudgets(ledgers)
        self._wished = wished
        self._known = DeviceList()
        self._next: float | None = 0.0  # when to ask again, on the loop's clock; None: never
        self._asking = asyncio.Lock()

    def now(self) -> DeviceList:
        """What is known without asking, free memory as our models have changed it since."""
        known = self._known
        if known.devices is None:
            return known
        return DeviceList(self._budgets.now(known.devices))

    def models_changed(self) -> None:
        """A model was loaded, or ended."""
        if discrete_gpus(self._known.devices or ()):
            self._next = 0.0

    def use_budgets(self, wished: Needs) -> None:
        """What models may take of the memory of GPUs from now on, in bytes by `budget_keys`; a
        share of the memory of those that are not named."""
        self._wished = wished
        self._apply()

    async def ask(self) -> DeviceList:
        """The devices, asked anew if it is time to; each GPU's ledger then has its budget. Never
        fails."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._next is not None and now >= self._next:
                await self._refresh()
            self._apply()
            return self._known

    def _apply(self) -> None:
        self._budgets.apply(discrete_gpus(self._known.devices or ()), self._wished)

    async def _refresh(self) -> None:
        self._next = None  # until a model changes, which may happen while this waits
        before = self._holdings()
        answer = await self._ask()
        seconds: float | None = None
        if answer.devices is not None:
            self._known = DeviceList(self._remembered(answer.devices))
            gpus = discrete_gpus(self._known.devices or ())
            self._budgets.learn(gpus, before, self._holdings())
            seconds = FRESH_SECONDS if gpus else None
        else:
            if self._known.devices is None:
                self._known = answer
            seconds = PATIENCE_SECONDS
        self._ask_in(seconds)

    def _remembered(self, devices: tuple[DeviceInfo, ...]) -> tuple[DeviceInfo, ...]:
        """``devices`` with what a context on them takes, where they told that once: a process that
        had used them before it was asked cannot tell, and it does not change."""
        known = {gpu.name: gpu.process_bytes for gpu in self._known.devices or ()}
        return tuple(
            msgspec.structs.replace(gpu, process_bytes=known.get(gpu.name, 0) or gpu.process_bytes)
            for gpu in devices
        )

    def _ask_in(self, seconds: float | None) -> None:
        if self._next is None and seconds is not None:
            self._next = asyncio.get_running_loop().time() + seconds


async def ask_devices(children: SpareChild) -> DeviceList:
    """Every device with its memory now. Never fails: a driver that kills the child or hangs ends in
    a list that is not known, and the reason for that, which is logged."""
    try:
        answer, child = await ask(children, ListDevices(), DevicesListed, ASK_SECONDS)
    except OSError as error:
        return _unknown(f"The engine process could not be started: {error}")
    except AppReplaced as error:  # which is no fault of the driver
        return _unknown(error.message, error.detail)
    except NoAnswerError as failure:
        return _unknown(f"The process that asked the GPU driver {failure}", failure.last_words)
    devices = answer.devices
    if can_offload(devices):
        # Who has asked a GPU for its memory keeps some hundred megabytes of it.
        await child.close()
    else:
        await children.put_back(child)
    return DeviceList(devices)


async def list_devices(children: SpareChild) -> tuple[DeviceInfo, ...]:
    """Every device with its memory now; none where `ask_devices` gets no answer."""
    return (await ask_devices(children)).devices or ()


def _unknown(problem: str, detail: str = "") -> DeviceList:
    _log.warning("llama.cpp’s devices are not known. %s.", problem)
    if detail:
        _log.info("What that process wrote: %s", detail)  # many lines, for the log file
    return DeviceList(None, f"{problem}.")
