"""Asks a spare engine child which devices ggml finds. On the asyncio loop of the engines."""

from __future__ import annotations

import logging

from minerva_desktop.devices.device_list import DeviceInfo, can_offload
from minerva_desktop.engine.messages import DevicesListed, ListDevices
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import NoAnswerError, ask

_log = logging.getLogger(__name__)

ASK_SECONDS = 20.0  # a driver may take seconds to wake up; one that takes longer hangs


async def list_devices(children: SpareChild) -> tuple[DeviceInfo, ...]:
    """Every device, the CPU too, with its memory now. Never fails: a driver that kills the child
    or hangs ends in no device at all and a logged reason."""
    try:
        answer, child = await ask(children, ListDevices(), DevicesListed, ASK_SECONDS)
    except OSError as error:
        _log.warning("The devices cannot be listed: %s", error)
        return ()
    except NoAnswerError as reason:
        _log.warning("No GPU is used: llama.cpp did not list its devices %s", reason)
        return ()
    if can_offload(answer.devices):
        # Who has asked a GPU for its memory keeps some hundred megabytes of it.
        await child.close()
    else:
        await children.put_back(child)
    return answer.devices
