"""An engine child that rests before each step: with a small model it is as slow as with a large
one, and leaves the processor to others. Run as `minerva_desktop.engine.child` is."""

from __future__ import annotations

import time
from collections.abc import Iterator

from minerva_desktop.engine import child
from minerva_desktop.engine.core.engine_core import EngineCore
from minerva_desktop.engine.messages import Event

STEP_SECONDS = 0.01  # as the embedded model takes for a token
_step = EngineCore.step


def _slow_step(core: EngineCore) -> Iterator[Event]:
    time.sleep(STEP_SECONDS)
    yield from _step(core)


if __name__ == "__main__":
    EngineCore.step = _slow_step  # type: ignore[method-assign, assignment]
    child.main()
