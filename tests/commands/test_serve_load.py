"""Sixty-four clients at once at the real server process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from tests.commands.served import Served, serve
from tests.processes import engines_with_models

COMPLETIONS = "/v1/completions"
MODEL = "small"
N_STREAMS = 64
N_PARALLEL = 16
PROMPTS = [
    f"The {thing} of {place} is"
    for thing in ("capital", "king", "sea", "name")
    for place in ("France", "Egypt")
]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def body(prompt: str, **fields: object) -> dict[str, object]:
    return {"model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0, **fields}


async def streamed(served: Served, prompt: str) -> str:
    """The text of a stream that has to end well."""
    request = served.http.stream("POST", COMPLETIONS, json=body(prompt, stream=True))
    async with request as answer:
        assert answer.status_code == 200
        text, is_done = "", False
        async for line in answer.aiter_lines():
            is_done = line == "data: [DONE]" or (is_done and not line)
            if line.startswith("data: {"):
                text += json.loads(line.removeprefix("data: "))["choices"][0]["text"]
    assert is_done
    return text


async def endless(served: Served) -> httpx.Response:
    fields = {"max_tokens": 4000, "ignore_eos": True}
    return await served.http.post(COMPLETIONS, json=body("Once", **fields))


async def n_unfinished(served: Served) -> int:
    metrics = (await served.http.get("/metrics")).text
    wanted = ("minerva_requests_running ", "minerva_requests_waiting ")
    return sum(int(float(line.split()[1])) for line in metrics.splitlines() if line[:25] in wanted)


async def test_sixty_four_streams_at_once_and_no_more(small_path: Path) -> None:
    options = ("--parallel", str(N_PARALLEL), "--max-queue", str(N_STREAMS - N_PARALLEL))
    async with serve("--model", str(small_path), "--n-ctx", "32768", *options) as served:
        alone = [await streamed(served, prompt) for prompt in PROMPTS]
        assert len(set(alone)) > 4  # crossed ones would show
        asked = PROMPTS * (N_STREAMS // len(PROMPTS))
        answers = await asyncio.gather(*(streamed(served, prompt) for prompt in asked))
        assert answers == alone * (N_STREAMS // len(PROMPTS))
        full = [asyncio.ensure_future(endless(served)) for _ in range(N_STREAMS)]
        async with asyncio.timeout(30):
            while await n_unfinished(served) < N_STREAMS:
                assert not any(each.done() for each in full)
        refused = await asyncio.gather(*(endless(served) for _ in range(4)))
        for answer in refused:
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["error"]["code"] == "queue_full"
        for each in full:
            each.cancel()
        await asyncio.gather(*full, return_exceptions=True)
        async with asyncio.timeout(30):  # its clients have left; it takes others again
            while (answer := await served.http.post(COMPLETIONS, json=body(PROMPTS[0]))).is_error:
                assert answer.status_code == 503
        assert answer.json()["choices"][0]["text"] == alone[0]


async def test_who_waits_too_long_behind_another_is_answered_408(small_path: Path) -> None:
    options = ("--parallel", "1", "--queue-timeout", "2", "--first-token-timeout", "600")
    async with serve("--model", str(small_path), "--n-ctx", "32768", *options) as served:
        running = asyncio.ensure_future(endless(served))
        async with asyncio.timeout(30):
            while await n_unfinished(served) < 1:
                assert not running.done()
        answer = await served.http.post(COMPLETIONS, json=body(PROMPTS[0]))
        assert answer.status_code == 408
        assert "it took 2.0 s in the queue" in answer.json()["error"]["message"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_positions_of_the_models_that_are_named(small_path: Path) -> None:
    texts = []
    for given in ((), ("--rope-scaling", "linear", "--rope-scale", "4")):
        async with serve("--model", str(small_path), "--n-ctx", "1024", *given) as served:
            answer = await served.http.post(COMPLETIONS, json=body(PROMPTS[0], max_tokens=12))
            texts.append(answer.json()["choices"][0]["text"])
    assert texts[0] != texts[1]


async def test_an_engine_that_died_says_that_the_next_request_loads_it_again(
    small_path: Path,
) -> None:
    async with serve("--model", str(small_path), "--n-ctx", "8192") as served:
        for number, name in ((signal.SIGABRT, "SIGABRT"), (signal.SIGSEGV, "SIGSEGV")):
            running = asyncio.ensure_future(endless(served))
            async with asyncio.timeout(30):
                while await n_unfinished(served) < 1:
                    assert not running.done()
            (engine,) = engines_with_models(psutil.Process(served.process.pid))
            engine.send_signal(number)
            answer = await running
            assert answer.status_code == 503
            error = answer.json()["error"]
            assert (error["code"], answer.headers["Retry-After"]) == ("engine_died", "1")
            assert error["message"].startswith("The engine that ran small.gguf stopped (")
            assert error["message"].endswith(
                f"{name}). The next request for this model loads it again"
            )
            again = await served.http.post(COMPLETIONS, json=body("Once"))
            assert again.status_code == 200
