"""The pool and the endpoint on one loop, with the real endpoint."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import psutil
import pytest

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import EndpointError, QueueFull
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.runtime import Runtime
from tests.server.fake_models import plain_client


def _listening() -> set[int]:
    connections = psutil.Process().net_connections("tcp")
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


async def test_starts_and_stops_happen_in_the_order_they_were_asked_for(catalog: Catalog) -> None:
    runtime = Runtime(catalog, LoadOptions())
    before = _listening()
    await asyncio.gather(runtime.start_endpoint(port=0), runtime.stop_endpoint())
    assert _listening() == before
    await asyncio.gather(
        runtime.start_endpoint(port=0), runtime.stop_endpoint(), runtime.start_endpoint(port=0)
    )
    assert len(_listening() - before) == 1
    await runtime.close()
    assert _listening() == before


async def test_a_taken_port_is_an_error_and_another_start_works(catalog: Catalog) -> None:
    first, second = Runtime(catalog, LoadOptions()), Runtime(catalog, LoadOptions())
    url = await first.start_endpoint(port=0)
    port = int(url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(EndpointError, match=str(port)):
        await second.start_endpoint(port=port)
    assert (await second.start_endpoint(port=0)).startswith("http://127.0.0.1:")
    await second.close()
    await first.close()


async def test_a_port_is_left_and_come_back_to_while_a_request_there_has_its_grace(
    catalog: Catalog,
) -> None:
    runtime, before = Runtime(catalog, LoadOptions()), _listening()
    old = await runtime.start_endpoint(port=0)
    port = int(old.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: 9\r\n\r\n{{".encode())  # which it waits for
    async with plain_client() as http:
        assert (await http.get(f"{old}/health")).status_code == 200
        new = await runtime.start_endpoint(port=0, grace_s=60)
        assert _listening() - before == {int(new.rpartition(":")[2])}
        assert await runtime.start_endpoint(port=port, grace_s=60) == old
        assert _listening() - before == {port}
        assert (await http.get(f"{old}/health")).status_code == 200
    moved = asyncio.create_task(runtime.moved())
    writer.write(b'"a": 1}.')  # the request of the first endpoint comes to its own end
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await asyncio.wait_for(moved, 5)
    await runtime.close()
    assert _listening() == before


async def test_memory_is_measured(catalog: Catalog) -> None:
    runtime = Runtime(catalog, LoadOptions())
    snapshot = await runtime.measure_memory()
    assert snapshot.system.total == pytest.approx(psutil.virtual_memory().total, rel=0.01)
    await runtime.close()


async def test_a_loaded_model_is_served_after_its_file_is_gone(
    catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    catalog.add(mine)
    runtime = Runtime(catalog, LoadOptions(n_ctx=256))
    url = await runtime.start_endpoint(port=0)
    wanted = {"model": "mine", "prompt": "Hi", "max_tokens": 2}
    async with plain_client() as http:
        assert (await http.post(f"{url}/v1/completions", json=wanted)).status_code == 200
        mine.unlink()
        assert (await http.post(f"{url}/v1/completions", json=wanted)).status_code == 200
        assert (await http.post(f"{url}/tokenize", json={"content": "a"})).status_code == 200
        listed = (await http.get(f"{url}/v1/models")).json()["data"]
        assert [m["meta"]["loaded"] for m in listed if m["id"] == "mine"] == [True]
        mine.symlink_to(catalog.default().path)  # another model under the same name
        one = (await http.get(f"{url}/v1/models/mine")).json()["meta"]
        assert (one["loaded"], one["size_bytes"]) == (True, small_path.stat().st_size)
        mine.unlink()
        await runtime.pool.unload(mine)
        answer = await http.post(f"{url}/v1/completions", json=wanted)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    await runtime.close()


async def test_the_queue_can_be_made_shorter_while_a_model_is_loaded(
    catalog: Catalog, small_path: Path
) -> None:
    runtime = Runtime(catalog, LoadOptions(n_ctx=256))
    async with runtime.pool.lease(small_path) as engine:
        runtime.set_max_waiting(0)
        with pytest.raises(QueueFull):
            await engine.generate("Hi", 2).text()
        runtime.set_max_waiting(1)
        assert await engine.generate("Hi", 2).text()
    assert runtime.activity.max_loading == 1
    await runtime.close()
