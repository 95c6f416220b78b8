"""What nobody waits for uses a model only while nobody wants any."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.engine.pool_events import GoneCause
from tests.pools import Scripted, model, turns

SMALL, MEDIUM, LARGE = map(model, ("small", "medium", "large"))


@pytest.fixture
def ended() -> list[str]:
    """Filled by the uses that are told to end."""
    return []


async def test_only_a_loaded_model_is_given_while_none_is_used(ended: list[str]) -> None:
    scripted = Scripted()
    pool = scripted.pool
    with pool.spare_time.use(SMALL, lambda: ended.append("never begun")) as engine:
        assert engine is None
    assert scripted.engines == []  # nothing was loaded for it
    await scripted.use(SMALL, MEDIUM)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")) as engine:
        assert engine is pool.loaded_engine(SMALL)
        assert not pool.is_in_use(SMALL)
    async with pool.lease(MEDIUM):
        assert pool.spare_time.engine(SMALL) is None
        with pool.spare_time.use(SMALL, lambda: ended.append("never begun")) as engine:
            assert engine is None
    assert pool.spare_time.engine(SMALL) is pool.loaded_engine(SMALL)
    assert ended == []
    await pool.close()


@pytest.mark.parametrize("wanted", [SMALL, MEDIUM], ids=["the same", "another"])
async def test_it_is_told_to_end_as_soon_as_a_model_is_wanted(
    ended: list[str], wanted: Path
) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")):
        async with pool.lease(wanted):
            assert ended == ["small"]
    async with pool.lease(SMALL):
        assert ended == ["small"]  # it is over, and told no more
    await pool.close()


async def test_nothing_waits_for_it_and_nothing_goes_for_it(ended: list[str]) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL, MEDIUM)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")):
        pass
    assert pool.loaded() == [MEDIUM, SMALL]  # what was used last is still used last
    with pool.spare_time.use(MEDIUM, lambda: ended.append("medium")):
        async with pool.lease(LARGE):  # without patience: it would be refused
            assert ended == ["medium"]
            assert scripted.gone() == [("medium", GoneCause.ROOM)]
    await turns(10)
    await pool.close()
