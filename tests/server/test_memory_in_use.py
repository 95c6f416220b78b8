"""What HTTP clients are told where the memory for a model is in use, or is not enough."""

from __future__ import annotations

import asyncio
import json
import re

from minerva_desktop.errors import ContextLimitExceeded, OutOfMemory
from minerva_desktop.server.errors import TOO_LONG
from minerva_desktop.server.model_choice import TOLD_SECONDS
from tests.patience import SECONDS
from tests.server.fake_models import (
    MODEL,
    OTHER_MODEL,
    chat_body,
    fails,
    says_and_goes_on,
    serving,
)

CHAT = "/v1/chat/completions"


async def test_where_memory_is_in_use_until_the_time_is_over_a_client_may_try_again() -> None:
    async with serving(request_timeout_s=0.05, keep_alive_s=0.01) as served:
        served.pool.may_load.clear()
        served.pool.in_the_way = (OTHER_MODEL.path,)
        served.catalog.own_ids = {OTHER_MODEL.path: f"other/{OTHER_MODEL.model_id}"}
        plain = await asyncio.wait_for(served.http.post(CHAT, json=chat_body()), SECONDS)
        asked = served.http.post(CHAT, json=chat_body(stream=True))
        streamed = await asyncio.wait_for(asked, SECONDS)
        assert served.pool.leases == 0
    assert (plain.status_code, plain.headers["retry-after"]) == (503, "1")
    error = plain.json()["error"]
    assert (error["type"], error["code"]) == ("unavailable_error", "insufficient_memory")
    assert error["message"] == (
        f"{MODEL.model_id} could not be used within 0.05 s: requests to "
        f"other/{OTHER_MODEL.model_id}, which came first, have its memory or wait for it. Ask "
        "again when they are over, let models take more memory, or use a smaller model"
    )
    assert streamed.status_code == 200
    assert streamed.text.startswith(": keep-alive\n\n")
    assert json.loads(streamed.text.split("data: ")[1])["error"] == error


async def test_the_time_that_a_load_took_is_told_where_the_answer_was_not_done() -> None:
    async with serving(says_and_goes_on("Hi"), request_timeout_s=0.4) as served:
        served.pool.may_load.clear()
        asked = asyncio.create_task(served.http.post(CHAT, json=chat_body()))
        await asyncio.wait_for(served.pool.leased.wait(), SECONDS)
        asyncio.get_running_loop().call_later(2 * TOLD_SECONDS, served.pool.may_load.set)
        answer = await asyncio.wait_for(asked, SECONDS)
    assert answer.status_code == 408
    assert re.fullmatch(
        r"Generation request timed out: it may take 0\.4 s in all; 0\.[1-4] s of them went by"
        rf" until {MODEL.model_id} was there, and the answer was not done in the rest",
        answer.json()["error"]["message"],
    )


async def test_what_does_not_fit_is_refused_with_the_numbers_and_a_way_out() -> None:
    async with serving() as served:
        needs = "the model needs 3.0 GB of this computer's memory, of which models may take 2.0 GB"
        served.pool.load_error = OutOfMemory("Memory exceeded: 0 + 3 > 2", needs=needs)
        answer = await served.http.post(CHAT, json=chat_body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "insufficient_memory")
    assert answer.json()["error"]["message"] == (
        f"{MODEL.model_id} cannot be loaded. Memory exceeded: 0 + 3 > 2 ({needs}). Let "
        "models take more memory, load it with a shorter context, or use a smaller model"
    )


async def test_a_context_that_is_small_for_the_sake_of_others_is_told_with_the_way_out() -> None:
    refusal = ContextLimitExceeded.of(4096, 6001)
    async with serving(fails(refusal)) as served:
        plain = []
        for n_ctx in (None, 6000):  # which would not be enough, either
            served.pool.context_alone = n_ctx
            plain.append(await served.http.post(CHAT, json=chat_body()))
        served.pool.context_alone = 16_384
        answers = [
            await served.http.post(CHAT, json=chat_body(stream=stream)) for stream in (False, True)
        ]
    said = [each.json()["error"]["message"] for each in plain]
    assert said == [refusal.message + TOO_LONG] * 2
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "messages")
        assert error["code"] == "context_length_exceeded"
        assert error["message"] == (
            f"{refusal.message}. {MODEL.model_id} was loaded while others held memory; alone it "
            "gets a context of 16,384 tokens. Unload it, so that it is loaded anew when they do "
            f"not, or give it a fixed context{TOO_LONG}"
        )
