"""`POST /tokenize`, `/detokenize` and `/apply-template` with a scripted model behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import RequestResponseCycle

from minerva_desktop.engine.messages import PromptEnd
from minerva_desktop.errors import ModelLoadError
from tests.patience import SECONDS
from tests.server.fake_models import MODEL, OTHER_MODEL, Served, chat_body, serving


async def ask(served: Served, path: str, **body: Any) -> Any:
    answer = await served.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_text_and_its_tokens() -> None:
    async with serving() as served:
        assert await ask(served, "/tokenize", content="Hé") == {"tokens": [72, 195, 169]}
        assert await ask(served, "/tokenize", content="") == {"tokens": []}
        assert await ask(served, "/tokenize", content="Hé", with_pieces=True) == {
            "tokens": [
                {"id": 72, "piece": "H"},
                {"id": 195, "piece": [195]},
                {"id": 169, "piece": [169]},
            ]
        }
        assert await ask(served, "/detokenize", tokens=[72, 195, 169]) == {"content": "Hé"}
        assert await ask(served, "/detokenize", tokens=[]) == {"content": ""}
        wrong = await served.http.post("/detokenize", json={"tokens": [999]})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "tokens")
    assert served.pool.leases == 0


async def test_how_a_text_is_read_is_the_clients_choice() -> None:
    async with serving() as served:
        await ask(served, "/tokenize", content="a")
        await ask(served, "/tokenize", content="a", add_special=True, parse_special=False)
    assert served.engine.tokenized == [("a", False, True), ("a", True, False)]


async def test_a_prompt_is_rendered() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with serving() as served:
        answer = await ask(
            served,
            "/apply-template",
            messages=[{"role": "user", "content": "Hi"}],
            tools=tools,
            chat_template_kwargs={"a": 1},
        )
    assert answer == {"prompt": "user: Hi"}
    ((chat, end),) = served.engine.rendered_with
    assert end is PromptEnd.OPENED
    assert chat is not None
    assert [tool.name for tool in chat.tools] == ["f"]
    assert chat.variables == '{"a": 1}'


async def test_the_model_is_loaded_when_it_is_not() -> None:
    async with serving() as served:
        served.pool.loaded_paths = []
        served.pool.may_load.clear()
        asked = asyncio.create_task(ask(served, "/tokenize", content="a", model=MODEL.model_id))
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        assert served.pool.lease_paths == [MODEL.path]
        served.pool.may_load.set()
        assert await asked == {"tokens": [97]}
        served.pool.load_error = ModelLoadError("No such architecture")
        failed = await served.http.post("/tokenize", json={"content": "a", "model": "other"})
    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "model_load_failed")
    assert served.activity.snapshot() == ()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"content": "a"}),
        ("/detokenize", {"tokens": [97]}),
        ("/apply-template", {"messages": [{"role": "user", "content": "a"}]}),
    ],
)
async def test_only_so_many_wait_for_a_model(path: str, body: dict[str, Any]) -> None:
    async with serving(max_loading=1) as served:
        served.pool.may_load.clear()
        first = asyncio.create_task(ask(served, path, **body))
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        for other, more in ((path, body), ("/v1/chat/completions", chat_body())):
            refused = await served.http.post(other, json=more)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "queue_full")
            assert int(refused.headers["retry-after"]) > 0
        served.pool.may_load.set()
        answer = await first
        assert await ask(served, path, **body) == answer
    assert served.pool.leases == 0


async def test_who_has_its_model_waits_no_longer() -> None:
    async with serving(max_loading=1) as served:
        entered, may_go_on = asyncio.Event(), asyncio.Event()
        detokenize = served.engine.detokenize

        async def slowly(tokens: Sequence[int], *, whole: bool = False) -> str:
            entered.set()
            await may_go_on.wait()
            return await detokenize(tokens, whole=whole)

        served.engine.detokenize = slowly  # type: ignore[method-assign]
        first = asyncio.create_task(ask(served, "/detokenize", tokens=[97]))
        await asyncio.wait_for(entered.wait(), SECONDS)
        assert await ask(served, "/tokenize", content="a") == {"tokens": [97]}
        may_go_on.set()
        assert await first == {"content": "a"}


async def test_who_is_in_no_list_uses_the_model_all_the_same() -> None:
    async with serving() as served:
        served.pool.may_load.clear()
        asked = asyncio.create_task(ask(served, "/tokenize", content="a"))
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        assert served.activity.snapshot() == ()
        using = served.activity.n_using
        assert (using(MODEL.path), using(OTHER_MODEL.path)) == (1, 0)
        served.pool.may_load.set()
        await asked
        assert using(MODEL.path) == 0


async def test_a_client_that_goes_away_gives_its_lease_back() -> None:
    async with serving() as served:
        served.pool.may_load.clear()
        content = b'{"content": "a"}'
        _, writer = await served.connect()
        writer.write(
            f"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        writer.transport.abort()
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)
        assert served.pool.leases == 0


async def test_many_tokens_are_written_and_sent_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    send = RequestResponseCycle.send

    async def noting_send(self: RequestResponseCycle, message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        await send(self, message)

    monkeypatch.setattr(RequestResponseCycle, "send", noting_send)
    monkeypatch.setattr("minerva_desktop.server.routes.tokens.TOKENS_AT_ONCE", 2)
    async with serving() as served:
        assert await ask(served, "/tokenize", content="Hello") == {"tokens": [*b"Hello"]}
        found = await ask(served, "/tokenize", content="ab\\", with_pieces=True)
        assert found["tokens"][2] == {"id": 92, "piece": "\\"}
        assert await ask(served, "/tokenize", content="") == {"tokens": []}
        sent.clear()
        much = await served.http.post("/tokenize", json={"content": "x" * 200})
    assert much.json() == {"tokens": [120] * 200}
    assert int(much.headers["content-length"]) == len(much.content) == sum(sent)
    assert much.headers["content-type"] == "application/json"
    assert max(sent) < 20
