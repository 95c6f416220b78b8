"""Children that are started ahead, and starts that are given up."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.process import ChildProcess
from minerva_desktop.engine.spare import SpareChild
from tests.pools import turns

# Says nothing, and ends when its stdin does.
QUIET = (sys.executable, "-c", "import sys; sys.stdin.read()")


async def test_one_waits_and_is_taken() -> None:
    spare = SpareChild(QUIET)
    await asyncio.gather(spare.prepare(), spare.prepare())
    (process,) = psutil.Process().children()
    child = await spare.take()
    assert (child.pid, spare.pid) == (process.pid, None)
    await spare.put_back(child)
    assert spare.pid == process.pid
    assert await spare.close()
    assert not await spare.close()
    assert not process.is_running()


TORN_DOWN = """
import asyncio, os, sys
from minerva_desktop.engine.spare import SpareChild

async def main(n_turns):
    task = asyncio.create_task(SpareChild((sys.executable, "-c", "input()")).prepare())
    for _ in range(n_turns):
        await asyncio.sleep(0)

asyncio.run(main(int(sys.argv[1])))
"""


async def test_a_loop_may_be_torn_down_while_a_child_starts() -> None:
    # In processes of their own: asyncio leaves behind what it had not connected yet. All at once,
    # as each gives its child a second.
    codes = await asyncio.gather(*map(_torn_down, range(6)))
    assert codes == [0] * 6


async def _torn_down(n_turns: int) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TORN_DOWN, str(n_turns), cwd=Path(__file__).parents[2]
    )
    try:
        return await asyncio.wait_for(process.wait(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("n_turns", range(8))
async def test_a_load_may_be_given_up_while_its_child_starts(n_turns: int) -> None:
    engine = LlamaEngine(Path("/no/model.gguf"), command=QUIET)
    load = asyncio.create_task(engine.load(options=LoadOptions(n_ctx=512)))
    await turns(n_turns)
    load.cancel()
    await asyncio.wait([load])
    assert load.cancelled()
    assert psutil.Process().children() == []


async def test_a_start_that_is_given_up_and_fails(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(ChildProcess.start(("/no/such/program",)))
    await turns(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or isinstance(task.exception(), OSError)


async def test_one_that_is_put_back_by_who_is_given_up_ends() -> None:
    spare = SpareChild(QUIET)
    child = await ChildProcess.start(QUIET)
    preparing = asyncio.create_task(spare.prepare())
    await turns(1)
    putting_back = asyncio.create_task(spare.put_back(child))
    await turns(1)
    putting_back.cancel()
    await child.wait()
    await preparing
    assert putting_back.cancelled()
    await spare.close()
