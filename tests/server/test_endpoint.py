from __future__ import annotations

import asyncio
import json
import signal
import socket

import httpx
import openai
import pytest

from minerva_desktop import __version__
from minerva_desktop.api_keys import NamedKey
from minerva_desktop.errors import EndpointError, InvalidRequest
from minerva_desktop.server import endpoint as endpoint_module
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.patience import SECONDS
from tests.server.fake_models import (
    MODEL,
    FakeCatalog,
    FakeEngine,
    FakePool,
    chat_body,
    says,
    says_and_goes_on,
    serving,
)

CHAT = "/v1/chat/completions"


def tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks()


async def test_health() -> None:
    async with serving() as served:
        answer = await served.http.get("/health")
        head = await served.http.head("/health")
    assert answer.json() == {"status": "ok", "version": __version__, "loaded": [MODEL.model_id]}
    assert head.status_code == 200
    assert head.headers["content-length"] == answer.headers["content-length"]
    assert head.content == b""


async def test_the_official_client_lists_models() -> None:
    async with serving() as served, served.openai() as client:
        listed = (await client.models.list()).data
        one = await client.models.retrieve(MODEL.model_id)
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("org/model")
    assert [model.id for model in listed] == ["tiny-1b-q4_0", "other"]
    assert one == listed[0]
    assert one.model_dump(exclude_none=True, exclude={"meta"}) == {
        "id": "tiny-1b-q4_0",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "minerva",
        # Anthropic's clients read these.
        "type": "model",
        "display_name": "tiny-1b-q4_0",
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
    }


async def test_what_is_not_there_has_the_error_shape() -> None:
    async with serving() as served:
        for method, path, status, code in (
            ("POST", "/", 405, "method_not_allowed"),
            ("GET", "/v1/nothing", 404, "not_found"),
            ("GET", "/v1/models/none", 404, "model_not_found"),
            ("GET", "/model", 404, "not_found"),
            ("POST", "/v2/tokenize", 404, "not_found"),
            ("GET", "/docs/index.html", 404, "not_found"),
            ("POST", CHAT + "/1", 404, "not_found"),
            ("GET", "/%ff%00%0d%0a", 404, "not_found"),
            ("GET", CHAT, 405, "method_not_allowed"),
            ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ):
            answer = await served.http.request(method, path)
            assert answer.status_code == status, path
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert answer.json()["error"]["code"] == code
            assert answer.json()["error"]["type"] == "invalid_request_error"
            assert ("allow" in answer.headers) == (status == 405)


async def test_the_bare_address_says_where_everything_is() -> None:
    async with serving() as served:
        for path in ("/", "/v1"):
            told = await served.http.get(path)
            assert told.status_code == 200
            assert told.json() == {
                "name": "Minerva Desktop",
                "version": __version__,
                "base_url": f"{served.url}/v1",
                "docs": f"{served.url}/docs",
                "openapi": f"{served.url}/openapi.json",
                "health": f"{served.url}/health",
            }
            head = await served.http.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == told.headers["content-length"]
            browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
            sent = await served.http.get(path, headers=browser)
            assert (sent.status_code, sent.headers["location"]) == (307, "/docs")
            assert sent.headers["vary"] == "Accept"


async def test_behind_a_proxy_with_tls_it_tells_the_proxys_address() -> None:
    async with serving(allowed_hosts=("chat.example",)) as served:
        for spoken, scheme in (("https", "https"), ("https, http", "https"), ("x://", "http")):
            headers = {"Host": "chat.example", "X-Forwarded-Proto": spoken}
            told = await served.http.get("/", headers=headers)
            assert told.json()["base_url"] == f"{scheme}://chat.example/v1"
            page = await served.http.get("/docs", headers=headers)
            assert f"<code>{scheme}://chat.example/v1</code>" in page.text


async def test_options_tells_the_methods() -> None:
    async with serving() as served:
        models = await served.http.options("/v1/models")
        chat = await served.http.options(CHAT)
    assert (models.status_code, chat.status_code) == (204, 204)
    assert set(models.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert chat.headers["allow"] == "POST"


async def test_start_twice_and_stop_twice() -> None:
    endpoint = Endpoint(FakePool(FakeEngine(says())), FakeCatalog(), EndpointConfig(port=0))
    await endpoint.stop()
    urls = [endpoint.url, await endpoint.start(), await endpoint.start(), endpoint.url]
    await endpoint.stop()
    await endpoint.stop()
    assert urls[0] is endpoint.url is None
    assert urls[1] == urls[2] == urls[3]


async def test_the_same_port_can_be_used_again_at_once() -> None:
    async with serving() as served:
        url = served.url
        assert (await served.http.get("/health")).status_code == 200
        await served.endpoint.stop()
        with pytest.raises(httpx.ConnectError):
            await served.http.get("/health")
        config = EndpointConfig(port=int(url.rpartition(":")[2]))
        again = Endpoint(served.pool, FakeCatalog(), config)
        assert await again.start() == url
        assert (await served.http.get("/health")).status_code == 200
        await again.stop()


async def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pool = FakePool(FakeEngine(says()))
        endpoint = Endpoint(pool, FakeCatalog(), EndpointConfig(port=port))
        with pytest.raises(EndpointError, match=f"Port {port} is used by another program"):
            await endpoint.start()
        assert endpoint.url is None
    await endpoint.start()
    await endpoint.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_port_on_which_minerva_serves_already(host: str) -> None:
    async with serving(host=host) as served:
        second = Endpoint(served.pool, FakeCatalog(), EndpointConfig(host=host, port=served.port))
        with pytest.raises(EndpointError) as caught:
            await second.start()
        assert caught.value.param == "port"
        assert caught.value.message == (
            f"Minerva is already serving on port {served.port}: its base URL is {served.url}/v1"
        )


@pytest.mark.parametrize("body", [b"{}", b'{"name": "Another"}', b"\xff", b""])
async def test_a_port_on_which_another_http_server_answers(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        config = EndpointConfig(port=port)
        endpoint = Endpoint(FakePool(FakeEngine(says())), FakeCatalog(), config)
        with pytest.raises(EndpointError, match=f"Port {port} is used by another program"):
            await endpoint.start()


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours(host: str) -> None:
    config = EndpointConfig(host=host, port=0, api_keys=(NamedKey.of("k", "key"),))
    endpoint = Endpoint(FakePool(FakeEngine(says())), FakeCatalog(), config)
    with pytest.raises(EndpointError, match=host):
        await endpoint.start()


async def test_an_open_address_without_a_key_is_not_listened_on() -> None:
    config = EndpointConfig(host="0.0.0.0", port=0)
    endpoint = Endpoint(FakePool(FakeEngine(says())), FakeCatalog(), config)
    with pytest.raises(InvalidRequest, match="API key"):
        await endpoint.start()


async def test_all_addresses_with_a_key() -> None:
    async with serving(host="0.0.0.0", api_keys=(NamedKey.of("k", "key"),)) as served:
        assert served.url == f"http://127.0.0.1:{served.port}"
        headers = {"Authorization": "Bearer key"}
        assert (await served.http.get("/v1/models", headers=headers)).status_code == 200
        evil = headers | {"Host": f"evil.example:{served.port}"}
        assert (await served.http.get("/v1/models", headers=evil)).status_code == 403


async def test_signal_handlers_stay_the_apps() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving():
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert during == before


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stop waits for, it waits for as long as it takes."""
    monkeypatch.setattr(endpoint_module, "STOP_TIMEOUT_S", 1e6)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.usefixtures("patient")
async def test_stopping_ends_running_answers_at_once(stream: bool) -> None:
    before = tasks()
    async with serving(says_and_goes_on("Half")) as served:
        asked = asyncio.create_task(served.http.post(CHAT, json=chat_body(stream=stream)))
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop()
        answer = await asked
        assert served.engine.cancelled.is_set()
        assert served.pool.leases == 0
    assert answer.status_code == (200 if stream else 503)
    error = json.loads(answer.text.split("data: ")[-1])["error"]
    assert error["code"] == "endpoint_stopped"
    assert tasks() == before


@pytest.mark.usefixtures("patient")
async def test_stopping_does_not_wait_for_half_requests() -> None:
    before = tasks()
    async with serving() as served:
        host = f"Host: 127.0.0.1:{served.port}\r\nContent-Type: application/json\r\n"
        half_head = await served.connect()
        half_head[1].write(f"POST {CHAT} HTTP/1.1\r\n{host}".encode())
        half_body = await served.connect()
        half_body[1].write(f"POST {CHAT} HTTP/1.1\r\n{host}Content-Length: 9\r\n\r\n{{".encode())
        await served.http.get("/health")
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop()
        assert await half_head[0].read() == b""
        assert b"endpoint_stopped" in await half_body[0].read()
        for _, writer in (half_head, half_body):
            writer.close()
            await writer.wait_closed()
    assert tasks() == before


async def test_stopping_does_not_wait_for_a_client_that_never_reads() -> None:
    before = tasks()
    async with serving(says_and_goes_on()) as served:
        _, writer = await served.connect()
        body = json.dumps(chat_body(stream=True)).encode()
        head = f"Host: 127.0.0.1:{served.port}\r\nContent-Type: application/json\r\n"
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.wait_for(served.engine.asked.wait(), SECONDS)
        served.engine.streams[0].push_token("x" * 30_000_000)
        async with asyncio.timeout(SECONDS):
            await served.endpoint.stop()
        assert served.engine.cancelled.is_set()
        writer.transport.abort()
    assert tasks() == before
