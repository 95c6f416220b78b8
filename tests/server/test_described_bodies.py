"""Bodies made of the app's own OpenAPI description: none of them makes an operation fail."""

from __future__ import annotations

from random import Random
from typing import Any

import httpx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.server.described_bodies import BodyMaker
from tests.server.fake_models import MODEL, Served, serving

N_BODIES = 20  # of each operation, in each example
JSON = {"Content-Type": "application/json"}
LIKELY = {
    "model": MODEL.model_id,
    "messages": [{"role": "user", "content": "Hi"}],
    "input": "Hi",
    "prompt": "Hi",
}
OPENAI = {"message", "type", "param", "code"}


async def makers(served: Served) -> dict[str, BodyMaker]:
    """By the path of each POST operation."""
    description = (await served.http.get("/openapi.json")).json()
    found = {}
    for path, methods in description["paths"].items():
        if "post" in methods:
            content = methods["post"]["requestBody"]["content"]["application/json"]
            found[path] = BodyMaker(description, content["schema"], LIKELY)
    return found


def check(path: str, body: str, answer: httpx.Response) -> None:
    told = (path, body[:2000], answer.status_code, answer.text[:2000])
    assert answer.status_code < 500, told
    assert "The endpoint failed at this request" not in answer.text, told
    if answer.status_code == 200:
        return
    error: dict[str, Any] = answer.json()
    if path.startswith("/v1/messages"):
        assert set(error) == {"type", "error", "request_id"}, told
        assert error["error"]["message"], told
        assert error["error"]["details"]["error_code"], told
    else:
        assert set(error) == {"error"}, told
        assert set(error["error"]) == OPENAI, told
        assert error["error"]["message"], told


@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(random=st.randoms(use_true_random=True))
async def test_bodies_made_of_the_description(random: Random) -> None:
    statuses: dict[str, set[int]] = {}
    async with serving() as served:
        for path, maker in (await makers(served)).items():
            for _ in range(N_BODIES):
                body = maker.body(random)
                answer = await served.http.post(path, content=body, headers=JSON)
                check(path, body, answer)
                statuses.setdefault(path, set()).add(answer.status_code)
        assert served.pool.leases == 0
    assert "/v1/chat/completions" in statuses
    assert all({200, 400} <= seen for seen in statuses.values()), statuses
