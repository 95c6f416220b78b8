"""`POST /v1/completions` with several prompts and a scripted model behind it."""

from __future__ import annotations

import asyncio

from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import InvalidRequest
from tests.server.fake_models import MODEL, serving

BODY = {"model": MODEL.model_id, "prompt": ["The sea", ""], "stream": True}


async def test_a_bad_prompt_among_several_is_refused_before_anything_is_said() -> None:
    def script(stream: TokenStream) -> None:
        if len(served.engine.prompts) == 1:
            stream.push_token("said already")

    async with serving(script) as served:
        asking = asyncio.create_task(served.http.post("/v1/completions", json=BODY))
        while len(served.engine.prompts) < 2:
            served.engine.asked.clear()
            await served.engine.asked.wait()
        first, second = served.engine.streams
        while first.has_next():  # until the endpoint has read what the first answer says
            await asyncio.sleep(0)
        second.fail(InvalidRequest("The prompt is empty", param="prompt"))
        answer = await asking
    assert [asked["tell_accepted"] for asked in served.engine.asked_with] == [True, True]
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
