"""Estimated memory against what a child really grows by, once its context is full.

The slow tests measure all of `bench_memory.CASES`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import bench_memory
from bench_memory import Case, Models


@pytest.fixture(scope="module")
def models(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(model_path, tmp_path_factory.mktemp("models"))


async def _check(models: Models, case: Case) -> None:
    path = models.path(case.model)
    assert path is not None, "the packages of the tests' models are installed"
    growth = await bench_memory.growth(path, models.options(case))
    assert bench_memory.LOW <= growth.ratio <= bench_memory.HIGH, growth


@pytest.mark.parametrize("case", bench_memory.QUICK, ids=str)
async def test_a_model_grows_as_estimated(models: Models, case: Case) -> None:
    await _check(models, case)


def test_enough_is_measured() -> None:
    """At least 12 combinations over the two real models, and as many as these of others."""
    real = [case for case in bench_memory.CASES if case.model in {"SmolLM2", "Gemma 3"}]
    assert len(real) >= 12
    assert len(bench_memory.CASES) - len(real) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("case", bench_memory.CASES[len(bench_memory.QUICK) :], ids=str)
async def test_all_of_them_do(models: Models, case: Case) -> None:
    await _check(models, case)
