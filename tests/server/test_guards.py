from __future__ import annotations

import socket

import httpx
import pytest

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.config import EndpointConfig
from tests.server.fake_models import MODEL, Served, chat_body, serving

PATH = "/v1/chat/completions"
KEY = "sk-canary-0123456789"
APP = "https://app.example"


async def get(served: Served, path: str = "/v1/models", **headers: str) -> httpx.Response:
    return await served.http.get(path, headers=headers)


async def test_own_hosts_pass() -> None:
    async with serving() as served:
        for host in ("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]"):
            answer = await get(served, Host=f"{host}:{served.port}")
            assert answer.status_code == 200, host


async def test_a_tunnel_to_this_machine_passes_with_its_own_port_or_none() -> None:
    async with serving() as served:
        for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
            for host in (name, f"{name}:9999"):
                assert (await get(served, Host=host)).status_code == 200, host


async def test_the_names_of_this_machine_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "AIbox.lan")
    async with serving() as served:
        for name in (
            "aibox", "AIBOX", "aibox.local", "aibox.lan",  # in its network
            "host.docker.internal", "host.containers.internal",  # in its containers
        ):  # fmt: skip
            assert (await get(served, Host=f"{name}:{served.port}")).status_code == 200, name
            assert (await get(served, Host=name)).status_code == 403, name
            assert (await get(served, Host=f"{name}.evil.example:{served.port}")).status_code == 403


async def test_an_allowed_host_passes_with_any_port() -> None:
    async with serving(allowed_hosts=("Chat.Example.org",)) as served:
        for host in ("chat.example.org", "CHAT.example.org.:443", "chat.example.org:8427"):
            assert (await get(served, Host=host)).status_code == 200, host
        for host in ("example.org", "x.chat.example.org", "chat.example.org:x", ":443"):
            assert (await get(served, Host=host)).status_code == 403, host
        refused, empty = [await get(served, Host=host) for host in (":443", "")]
        use = f"use localhost, or this machine's address or name with the port {served.port}"
    assert refused.json()["error"]["message"] == (
        f"The Host header names :443, which is not this endpoint: {use}, or have that host "
        "allowed, in the window (Local server, Advanced) or with minerva serve --allow-host"
    )
    assert empty.status_code == 403
    assert empty.json()["error"]["message"] == f"The Host header is empty: {use}"


FOREIGN_HOSTS = (
    "evil.example:PORT",
    "evil.example",
    "localhost..:PORT",
    ".localhost:PORT",
    "localhost.:1",
    "evil.example.:PORT",
    "localhost:port",
    "localhost:",
    "localhost:9999.evil.example",
    "10.0.0.1",
    "127.0.0.1.evil.example:PORT",
    "127.0.0.1:PORT@evil.example",
    "10.0.0.1:PORT",
    "0.0.0.0:PORT",
    "127.1:PORT",
    "2130706433:PORT",
    "mybox.local:PORT",
    "::1:PORT",
    "[::]:PORT",
    "169.254.169.254:PORT",
    "127.0.0.1:PORT:PORT",
    "user@127.0.0.1:PORT",
    "127.0.0.1:PORT, evil.example",
    "127.0.0.1:PORT/",
    "localhost.localdomain:PORT",
    "LOCALHOST\t:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "",
)


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/nothing"])
async def test_foreign_hosts_are_refused_on_every_path(path: str) -> None:
    async with serving() as served:
        for host in FOREIGN_HOSTS:
            answer = await get(served, path, Host=host.replace("PORT", str(served.port)))
            assert answer.status_code == 403, host
            assert answer.json()["error"]["code"] == "forbidden"
            assert answer.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize("path", ["/v1/messages", "/messages", "/v1//messages/count_tokens"])
@pytest.mark.parametrize("wrong", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_a_refusal_has_the_shape_of_its_path_however_that_is_written(
    path: str, wrong: dict[str, str]
) -> None:
    async with serving() as served:
        answer = await served.http.post(path, json={}, headers=wrong)
    assert answer.status_code == 403
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize("head", ["", "Host: 127.0.0.1:1\r\nHost: 127.0.0.1:1\r\n"])
async def test_no_host_and_two_hosts_are_refused(head: str) -> None:
    async with serving() as served:
        answer = await served.exchange(f"GET /v1/models HTTP/1.0\r\n{head}\r\n".encode())
    assert answer.split(b" ")[1] in {b"400", b"403"}


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1:PORT/v1/models", "127.0.0.1:PORT", 200),
        ("HTTP://LOCALHOST:PORT/v1/models?a=b", "127.0.0.1:PORT", 200),
        ("http://127.0.0.1:PORT", "127.0.0.1:PORT", 200),
        ("http://127.0.0.1:PORT//models/", "127.0.0.1:PORT", 200),
        ("http://evil.example/v1/models", "127.0.0.1:PORT", 403),
        ("http://127.0.0.1/v1/models", "127.0.0.1:PORT", 403),
        ("http://127.0.0.1:PORT@evil.example/v1/models", "127.0.0.1:PORT", 403),
        ("http://127.0.0.1:PORT/v1/models", "evil.example", 403),
        ("https://127.0.0.1:PORT/v1/models", "127.0.0.1:PORT", 404),
        ("ftp://127.0.0.1:PORT/v1/models", "127.0.0.1:PORT", 404),
    ],
)
async def test_an_absolute_target_has_to_name_this_endpoint_too(
    target: str, host: str, status: int
) -> None:
    async with serving() as served:
        head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = await served.exchange(head.replace("PORT", str(served.port)).encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_foreign_origins_are_refused_before_any_work(method: str) -> None:
    async with serving() as served:
        for origin in ("https://evil.example", "null", "file://", "http://127.0.0.1", APP):
            headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            answer = await served.http.request(method, PATH, json=chat_body(), headers=headers)
            assert answer.status_code == 403, origin
            assert not [name for name in answer.headers if name.startswith("access-control")]
        assert served.engine.prompts == []


@pytest.mark.parametrize(
    ("allowed", "sent"),
    [
        ("HTTPS://App.Example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("https://app.example.org:80", "https://app.example.org:80"),
        ("http://[::1]:080", "http://[::1]"),
        ("http://bücher.example:3000", "http://xn--bcher-kva.example:3000"),
    ],
)
async def test_an_origin_is_allowed_however_it_is_written(allowed: str, sent: str) -> None:
    async with serving(allowed_origins=(allowed,)) as served:
        answer = await get(served, Origin=sent)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == sent


async def test_an_allowed_origin_gets_cors() -> None:
    async with serving(allowed_origins=(APP,), api_keys=(NamedKey.of("canary", KEY),)) as served:
        preflight = await served.http.options(
            PATH,
            headers={
                "Origin": APP,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
            },
        )
        answer = await served.http.post(
            PATH,
            json=chat_body(zap=1),
            headers={"Origin": APP, "Authorization": f"Bearer {KEY}"},
        )
        foreign = await get(served, Origin="https://evil.example")
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == APP
    assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-expose-headers"] == (
        "X-Minerva-Ignored-Fields, X-Request-Id, request-id, Retry-After, x-should-retry"
    )
    assert foreign.status_code == 403


@pytest.mark.parametrize("path", ["/v1/models", "/nothing"])
async def test_without_the_key_nothing_is_answered(path: str) -> None:
    without = (KEY, "", "Bearer", f"Basic {KEY}")
    wrong = (f"Bearer {KEY}x", f"Bearer {KEY[:-1]}")
    unknown = "This API key is not known here, or was revoked"
    needed = "This endpoint needs an API key, as Authorization: Bearer KEY or x-api-key: KEY"
    async with serving(api_keys=(NamedKey.of("canary", KEY),)) as served:
        for headers, message in (
            ({}, needed),
            ({"x-api-key": ""}, needed),
            ({"x-api-key": f"{KEY}x"}, unknown),
            *(({"Authorization": value}, needed) for value in without),
            *(({"Authorization": value}, unknown) for value in wrong),
        ):
            answer = await get(served, path, **headers)
            assert answer.json()["error"]["message"] == message
            assert answer.status_code == 401, headers
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert KEY not in answer.text


async def test_the_key_opens_and_health_needs_none() -> None:
    async with serving(api_keys=(NamedKey.of("canary", KEY),)) as served:
        assert (await get(served, Authorization=f"Bearer {KEY}")).status_code == 200
        assert (await get(served, Authorization=f"bearer {KEY}")).status_code == 200
        open_health = await get(served, "/health")
        assert open_health.status_code == 200
        assert "loaded" not in open_health.json()  # what there is, is told to nobody unknown
        known = await get(served, "/health", Authorization=f"Bearer {KEY}")
        assert known.json()["loaded"] == [MODEL.model_id]


@pytest.mark.parametrize(
    ("config", "param"),
    [
        (EndpointConfig(host="0.0.0.0"), "api_key"),
        (EndpointConfig(host="192.168.1.5"), "api_key"),
        (EndpointConfig(host="mybox.example"), "api_key"),
        (EndpointConfig(host="::"), "api_key"),
        (EndpointConfig(host=""), "host"),
        (EndpointConfig(port=70_000), "port"),
        (EndpointConfig(port=-1), "port"),
        (EndpointConfig(request_timeout_s=0.0), "request_timeout_s"),
        (EndpointConfig(request_timeout_s=float("nan")), "request_timeout_s"),
        (EndpointConfig(queue_timeout_s=0.0), "queue_timeout_s"),
        (EndpointConfig(first_token_timeout_s=1e9), "first_token_timeout_s"),
        (EndpointConfig(allowed_origins=("*",)), "allowed_origins"),
        (EndpointConfig(allowed_hosts=("*",)), "allowed_hosts"),
        (EndpointConfig(allowed_hosts=("a.example:80",)), "allowed_hosts"),
        (EndpointConfig(allowed_hosts=("",)), "allowed_hosts"),
        (EndpointConfig(allowed_origins=("null",)), "allowed_origins"),
        (EndpointConfig(allowed_origins=("https://app.example/",)), "allowed_origins"),
        (EndpointConfig(allowed_origins=("https://*.example",)), "allowed_origins"),
        (EndpointConfig(allowed_origins=("https://faß.example",)), "allowed_origins"),
        (EndpointConfig(allowed_origins=("https://me@app.example",)), "allowed_origins"),
        (EndpointConfig(allowed_origins=("https://app.example:70000",)), "allowed_origins"),
    ],
)
def test_an_unsafe_config_is_refused(config: EndpointConfig, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        config.check()
    assert caught.value.param == param


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    EndpointConfig(host=host, allowed_origins=(APP, "http://localhost:3000")).check()


def test_the_key_is_not_in_the_configs_text() -> None:
    assert KEY not in repr(EndpointConfig(api_keys=(NamedKey.of("canary", KEY),)))
