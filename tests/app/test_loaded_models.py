"""What the window is told of loaded models: real sizes of a real load, and speeds that decay."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.loaded_models import (
    SPEED_SECONDS,
    HeldMemory,
    TimeToLive,
    TokenSpeeds,
    held_memory,
    loaded_models,
    use_time_to_live,
)
from minerva_desktop.app.model_actions import model_fit
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import DeviceShare
from minerva_desktop.engine.pool_events import LoadChoice, LoadPlan
from tests.fakes import context_info
from tests.pools import real_pool

MODEL = Path("/m/a.gguf")
WISHED = "context of 1,024 tokens instead of 8,192: as wished it would take 9.0 GB"


class Clock:
    """A clock that stands until it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_real_model_with_its_switches(model_path: Path) -> None:
    pool = real_pool(LoadOptions(n_ctx=512))
    speeds = TokenSpeeds()
    assert loaded_models(pool, speeds, {model_path: ("smaller",)}) == ()
    async with pool.lease(model_path):
        (model,) = loaded_models(pool, speeds, {model_path: ("smaller",)})
        assert model.in_use
        assert model.tokens_per_second is None
        (held,) = model.held
        assert held.device == "CPU"
        assert 80_000_000 < held.weights_bytes < 120_000_000
        assert held.kv_bytes > 0
        assert held.total_bytes == model.total.total_bytes == pool.held(model_path)["CPU"]
        assert (model.n_ctx, model.n_layers, model.reasons) == (512, 31, ("smaller",))
        assert model.time_to_live == TimeToLive(None, is_own=False)
    pool.pin(model_path, pinned=True)
    use_time_to_live(pool, model_path, TimeToLive(300.0, is_own=True))
    (model,) = loaded_models(pool, speeds, {model_path: ("smaller",)})
    assert model.pinned
    assert not model.in_use
    assert model.time_to_live == TimeToLive(300.0, is_own=True)
    use_time_to_live(pool, model_path, TimeToLive(None, is_own=False))
    assert loaded_models(pool, speeds, {model_path: ("smaller",)})[0].time_to_live == TimeToLive(
        None, is_own=False
    )
    await pool.close()


def test_what_a_model_holds_is_told_for_each_memory() -> None:
    info = msgspec.structs.replace(
        context_info(weights_bytes=9_000, n_ctx=512),
        kv_bytes=600,
        compute_bytes=300,
        shares=(
            DeviceShare("CUDA0", 5_400, kv_bytes=300, compute_bytes=100),
            DeviceShare("Vulkan1", 1_000, kv_bytes=200, compute_bytes=50),
        ),
    )
    # The other GPU is the processor's own, so that the system's ledger counts it.
    system, gpu = held_memory(info, {"CPU": 4_500, "CUDA0": 5_400})
    assert gpu == HeldMemory("CUDA0", weights_bytes=5_000, kv_bytes=300, compute_bytes=100)
    assert system == HeldMemory("CPU", weights_bytes=4_000, kv_bytes=300, compute_bytes=200)
    assert system.total_bytes == 4_500


def test_speed_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    speeds = TokenSpeeds(clock)
    assert speeds.look(MODEL, 5) is None
    clock.now += 1.0
    assert speeds.look(MODEL, 25) == pytest.approx(20.0)
    clock.now += 1.0
    assert speeds.look(MODEL, 35) == pytest.approx(15.0)
    clock.now += SPEED_SECONDS
    assert speeds.look(MODEL, 65) == pytest.approx(10.0)  # what came before counts no more
    clock.now += SPEED_SECONDS
    assert speeds.look(MODEL, 65) is None
    clock.now += 1.0
    assert speeds.look(MODEL, 0) is None  # loaded anew
    clock.now += 1.0
    assert speeds.look(MODEL, 7) == pytest.approx(7.0)


def test_a_fit_is_told_in_sentences() -> None:
    options = LoadOptions(n_ctx=4096)
    choice = LoadChoice(
        options, {"CPU": 2_000_000_000}, "smaller_context", ("context of 4,096 tokens: it is",)
    )
    fit = model_fit(LoadPlan(MODEL, choice, (Path("/m/b.gguf"),), 1, {}))
    assert fit.label == "Smaller context"
    assert fit.is_possible
    assert not fit.is_as_wished
    assert fit.detail == "Takes about 2.0 GB with a context of 4,096 tokens: it is"
    assert fit.unloads == (Path("/m/b.gguf"),)


def test_what_does_not_fit_says_what_lacks_and_no_size_twice() -> None:
    lacks = "it takes 6.3 GB of this computer's memory, and there are 4.2 GB for models"
    choice = LoadChoice(
        LoadOptions(n_ctx=1024), {"CPU": 6_300_000_000}, "wont_fit", (lacks, WISHED)
    )
    assert model_fit(LoadPlan(MODEL, choice, (), 0, {})).detail == (
        "It takes 6.3 GB of this computer's memory, and there are 4.2 GB for models. "
        "Context of 1,024 tokens instead of 8,192: as wished it would take 9.0 GB"
    )
