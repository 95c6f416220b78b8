"""Asks a spare engine child which devices ggml finds. On the asyncio loop of the engines."""

from __future__ import annotations

import asyncio
import logging

from minerva_desktop.devices.device_list import DeviceInfo, can_offload
from minerva_desktop.engine.messages import DevicesListed, Event, ListDevices
from minerva_desktop.engine.process import describe_exit
from minerva_desktop.engine.spare import SpareChild

_log = logging.getLogger(__name__)

ASK_SECONDS = 20.0  # a driver may take seconds to wake up; one that takes longer hangs


async def list_devices(children: SpareChild) -> tuple[DeviceInfo, ...]:
    """Every device, the CPU too, with its memory now. Never fails: a driver that kills the child
    or hangs ends in no device at all and a logged reason."""
    try:
        child = await children.take()
    except OSError as error:
        _log.warning("The devices cannot be listed: %s", error)
        return ()
    answer: asyncio.Future[tuple[DeviceInfo, ...]] = asyncio.get_running_loop().create_future()

    def hear(event: Event) -> None:
        if isinstance(event, DevicesListed) and not answer.done():
            answer.set_result(event.devices)

    child.listen(hear)
    child.send(ListDevices())
    end = asyncio.ensure_future(child.wait())
    try:
        await asyncio.wait((answer, end), timeout=ASK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        child.kill()
        await end
        raise
    if not answer.done():
        child.kill()
        code = await child.wait()
        _log.warning(
            "No GPU is used: llama.cpp did not list its devices (%s). %s",
            describe_exit(code),
            child.last_words(),
        )
        return ()
    end.cancel()
    devices = answer.result()
    if can_offload(devices):
        # Who has asked a GPU for its memory keeps some hundred megabytes of it.
        await child.close()
    else:
        await children.put_back(child)
    return devices
