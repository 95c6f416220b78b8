"""What clients send for "no limit": any number of tokens, however large. The context ends the
answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import real_pool
from tests.server.fake_models import plain_client, serving

# On the loop of the endpoint that they share.
on_its_loop = pytest.mark.asyncio(loop_scope="module")
N_CTX = 256
MESSAGES = [{"role": "user", "content": "Hi"}]
# Each path that writes an answer, with each name that it has for the limit.
LIMITS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("/v1/chat/completions", {"messages": MESSAGES}, "max_tokens"),
    ("/v1/chat/completions", {"messages": MESSAGES}, "max_completion_tokens"),
    ("/v1/chat/completions", {"messages": MESSAGES}, "n_predict"),
    ("/v1/completions", {"prompt": "Hi"}, "max_tokens"),
    ("/v1/completions", {"prompt": "Hi"}, "n_predict"),
    ("/v1/responses", {"input": "Hi"}, "max_output_tokens"),
    ("/v1/messages", {"messages": MESSAGES}, "max_tokens"),
)
NUMBERS = (2**31 - 1, 2**63 - 1, 2**63, 10**30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(small_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Of an endpoint whose model is loaded."""
    pool = real_pool(LoadOptions(n_ctx=N_CTX))
    catalog = Catalog(tmp_path_factory.mktemp("library") / "models.json", embedded=small_path)
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    async with pool.lease(small_path):
        pass
    yield await endpoint.start()
    await endpoint.stop()
    await pool.close()


@pytest.mark.parametrize(("path", "body", "name"), LIMITS)
async def test_any_number_of_tokens_is_taken(path: str, body: dict[str, Any], name: str) -> None:
    async with serving() as served:
        for number in NUMBERS:
            answer = await served.http.post(path, json={**body, name: number})
            assert answer.status_code == 200, answer.text
    limits = [sampling and sampling.max_tokens for sampling in served.engine.samplings]
    assert limits == [2**31 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1]


async def test_two_names_for_it_are_compared_as_they_were_sent() -> None:
    body = {"messages": MESSAGES, "max_tokens": 10**30, "n_predict": 10**31}
    async with serving() as served:
        answer = await served.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "n_predict"


@on_its_loop
@pytest.mark.parametrize("number", NUMBERS)
async def test_the_answer_ends_where_the_context_does(url: str, number: int) -> None:
    async with plain_client() as http:
        body = {"prompt": "Hi", "ignore_eos": True, "max_tokens": number}
        whole = (await http.post(f"{url}/v1/completions", json=body)).json()
        together = (await http.post(f"{url}/v1/completions", json=body | {"n": 3})).json()
        body = {"messages": MESSAGES, "ignore_eos": True, "max_tokens": number}
        last = (await http.post(f"{url}/v1/messages", json=body)).json()
    assert whole["usage"]["total_tokens"] == N_CTX
    assert {choice["finish_reason"] for choice in together["choices"]} == {"length"}
    assert len(together["choices"]) == 3
    assert last["stop_reason"] == "model_context_window_exceeded"


@on_its_loop
async def test_an_answer_that_no_context_ends_needs_a_limit_that_does(url: str) -> None:
    body = {"prompt": "Hi", "max_tokens": 2**31 - 1, "overflow": "shift"}
    async with plain_client() as http:
        answer = await http.post(f"{url}/v1/completions", json=body)
    assert answer.status_code == 400
    assert "needs max_tokens, 10,000,000 at most" in answer.json()["error"]["message"]
