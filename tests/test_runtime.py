"""The pool and the endpoint on one loop, with the real endpoint."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from minerva_desktop.api_keys import KeyFile
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import EndpointError, InvalidRequest, MinervaError, QueueFull
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.runtime import Runtime
from tests.patience import SECONDS
from tests.server.fake_models import plain_client


def _listening() -> set[int]:
    connections = psutil.Process().net_connections("tcp")
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


async def test_starts_and_stops_happen_in_the_order_they_were_asked_for(catalog: Catalog) -> None:
    runtime = Runtime(catalog, LoadOptions())
    before = _listening()
    await asyncio.gather(runtime.endpoint.start(port=0), runtime.endpoint.stop())
    assert _listening() == before
    await asyncio.gather(
        runtime.endpoint.start(port=0), runtime.endpoint.stop(), runtime.endpoint.start(port=0)
    )
    assert len(_listening() - before) == 1
    await runtime.close()
    assert _listening() == before


async def test_a_taken_port_is_an_error_and_another_start_works(catalog: Catalog) -> None:
    first, second = Runtime(catalog, LoadOptions()), Runtime(catalog, LoadOptions())
    url = await first.endpoint.start(port=0)
    port = int(url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(EndpointError, match=str(port)):
        await second.endpoint.start(port=port)
    assert (await second.endpoint.start(port=0)).startswith("http://127.0.0.1:")
    await second.close()
    await first.close()


async def _half_a_request(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with a request that the endpoint waits for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: 9\r\n\r\n{{".encode())
    return reader, writer


async def test_a_port_is_left_and_come_back_to_while_a_request_there_has_its_grace(
    catalog: Catalog,
) -> None:
    runtime, before = Runtime(catalog, LoadOptions()), _listening()
    old = await runtime.endpoint.start(port=0)
    port = int(old.rpartition(":")[2])
    reader, writer = await _half_a_request(port)
    async with plain_client() as http:
        assert (await http.get(f"{old}/health")).status_code == 200
        new = await runtime.endpoint.start(port=0, grace_s=60)
        assert _listening() - before == {int(new.rpartition(":")[2])}
        assert await runtime.endpoint.start(port=port, grace_s=60) == old
        assert _listening() - before == {port}
        assert (await http.get(f"{old}/health")).status_code == 200
    moved = asyncio.create_task(runtime.endpoint.moved())
    writer.write(b'"a": 1}.')  # the request of the first endpoint comes to its own end
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await asyncio.wait_for(moved, SECONDS)
    await runtime.close()
    assert _listening() == before


async def test_a_start_that_goes_on_delays_no_end_by_its_grace(catalog: Catalog) -> None:
    runtime, before = Runtime(catalog, LoadOptions()), _listening()
    url = await runtime.endpoint.start(port=0)
    port = int(url.rpartition(":")[2])
    _, writer = await _half_a_request(port)
    async with plain_client() as http:
        assert (await http.get(f"{url}/health")).status_code == 200
    again = asyncio.create_task(runtime.endpoint.start(port=port, grace_s=60))
    await asyncio.sleep(0)  # it has the lock, and has stopped nothing yet
    await asyncio.wait_for(runtime.endpoint.stop(), SECONDS)
    assert (await again).startswith("http://127.0.0.1:")
    assert runtime.endpoint.url is None
    writer.close()
    await runtime.close()
    assert _listening() == before


async def test_what_cannot_be_served_leaves_what_was_served_as_it_is(
    catalog: Catalog, minerva_home: Path
) -> None:
    keys = KeyFile(minerva_home / "keys")
    runtime, before = Runtime(catalog, LoadOptions(), key_file=keys), _listening()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        url = await runtime.endpoint.start(port=port)
        for host, other, said in (
            ("127.0.0.1", taken.getsockname()[1], "used by another program"),
            ("0.0.0.0", port, "needs an API key"),
        ):
            with pytest.raises(MinervaError, match=said):
                await runtime.endpoint.start(port=other, host=host, grace_s=60)
            assert runtime.endpoint.url == url
        keys.create("laptop")
        with pytest.raises(EndpointError, match="no address of this machine"):
            await runtime.endpoint.start(port=port, host="192.0.2.1")
        async with plain_client() as http:  # it listens anew, and knows the key of today
            assert (await http.get(f"{url}/v1/models")).status_code == 401
    await runtime.close()
    assert _listening() == before


async def test_other_rules_count_from_the_next_request_on(
    catalog: Catalog, small_path: Path
) -> None:
    catalog.add(small_path)
    runtime = Runtime(catalog, LoadOptions(n_ctx=256))
    runtime.keeps_spare = False
    rules: dict[str, Any] = {"allowed_origins": (), "allowed_hosts": (), "request_timeout_s": None}
    await runtime.endpoint.use_rules(**rules)  # nothing is served
    url = await runtime.endpoint.start(port=0)
    page = {"Origin": "https://app.example"}
    body = {
        "model": "small",
        "messages": [{"role": "user", "content": "Hi"}],
        "ignore_eos": True,
        "max_tokens": 100_000,
    }
    async with plain_client() as http:
        async with http.stream(
            "POST", f"{url}/v1/chat/completions", json={**body, "stream": True}
        ) as one:
            lines = one.aiter_lines()
            assert await anext(lines)
            assert (await http.get(f"{url}/v1/models", headers=page)).status_code == 403
            rules |= {"allowed_origins": (page["Origin"],), "request_timeout_s": 0.02}
            await runtime.endpoint.use_rules(**rules)
            answer = await http.get(f"{url}/v1/models", headers=page)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == page["Origin"]
            late = await http.post(f"{url}/v1/chat/completions", json=body)
            assert late.status_code == 408, late.text
            more = [line async for line in lines if line]  # what ran before comes to its end
            assert more[-1] == "data: [DONE]"
            assert not any('"error"' in line for line in more)
        with pytest.raises(InvalidRequest):
            await runtime.endpoint.use_rules(**rules | {"request_timeout_s": -1.0})
    await runtime.close()


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
    runtime.keeps_spare = False
    url = await runtime.endpoint.start(port=0)
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
    runtime.keeps_spare = False
    async with runtime.pool.lease(small_path) as engine:
        runtime.set_max_waiting(0)
        with pytest.raises(QueueFull):
            await engine.generate("Hi", 2).text()
        runtime.set_max_waiting(1)
        assert await engine.generate("Hi", 2).text()
    assert runtime.activity.max_loading == 1
    await runtime.close()
