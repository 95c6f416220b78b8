"""What the settings have of models that `minerva serve` is not told to load."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from minerva_desktop.commands.folders import open_catalog
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import ModelOverrides, SettingsFile
from tests.commands.served import MODEL, serve

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

BOTH = ModelOverrides(kv_type="q8_0", flash_attention="off")
ONE = ModelOverrides(kv_type="q8_0")


@pytest.mark.parametrize(("saved", "given"), [(BOTH, ()), (ONE, ("--flash-attention", "off"))])
async def test_what_cannot_be_loaded_holds_up_no_other_model(
    saved: ModelOverrides,
    given: tuple[str, ...],
    catalog: Catalog,
    tmp_path: Path,
) -> None:
    """Only who asks for it is told, and no other model goes for it."""
    app_paths().create()
    copy = tmp_path / "copy.gguf"
    shutil.copy(catalog.default().path, copy)
    open_catalog(app_paths()).add(copy)
    settings = SettingsFile(app_paths().settings)
    for path in (copy, Path("/gone/away.gguf")):
        settings.override(path, saved)
    budget = ("--n-ctx", "1024", "--memory-gb", "0.25")  # has room for one
    async with serve("--model", MODEL, *budget, *given) as served:
        body = {"model": "copy", "prompt": "The sea", "max_tokens": 2}
        refused = await served.http.post("/v1/completions", json=body)
        answer = await served.http.post("/v1/completions", json={**body, "model": MODEL})
        served.process.send_signal(signal.SIGTERM)
        said = await served.said()
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (500, "model_load_failed")
    assert error["message"].startswith(
        "copy cannot be loaded as its load options are here: A KV cache in q8_0 needs flash attent"
    )
    assert answer.status_code == 200
    assert said.startswith("copy could not be loaded: A KV cache in q8_0 needs flash attention")
    assert said.count("\n") == 1
