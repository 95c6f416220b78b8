"""llama.cpp's own server as the peer: a process of ours on a free loopback port, asked over HTTP.

Used by the `bench_engine_*` parts. All calls block; call them through `asyncio.to_thread`, so that
the loop goes on answering our own engine's child meanwhile.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bench_process import HOST, POLL_SECONDS, ServerProcess, free_port

REQUEST_SECONDS = 600.0

# Every answer is greedy and as long as was asked for.
_GREEDY = {"temperature": 0.0, "ignore_eos": True}


class Answer(NamedTuple):
    """Milliseconds from the request to the arrival of the first token, and the whole text."""

    first_token_ms: float
    text: str


class LlamaServer(ServerProcess):
    """A running ``llama-server``; a context manager, which starts it and ends it."""

    def __init__(
        self,
        program: Path,
        model: Path,
        *,
        n_parallel: int,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
    ) -> None:
        """``n_parallel`` slots share ``n_ctx`` tokens, as our requests do."""
        port = free_port()
        # Flash attention on and an f16 cache are what llama.cpp gives our context by default. No
        # copies of idle slots in memory, and no adjusting of what is asked for: neither is ours.
        command = [str(program), "-m", str(model), "--host", HOST, "--port", str(port)]
        command += ["-t", str(n_threads), "-tb", str(n_threads), "-c", str(n_ctx)]
        command += ["-b", str(n_batch), "-ub", str(n_batch), "-np", str(n_parallel)]
        command += ["-fa", "on", "-ctk", "f16", "-ctv", "f16", "-fit", "off"]
        command += ["--cache-ram", "0", "--no-ui", "--kv-unified"]
        super().__init__(program.name, command, port)

    # -- requests --------------------------------------------------------------------------

    def aggregate(self, prompts: Sequence[str], n_tokens: int) -> float:
        """Tokens per second of answering all ``prompts`` at once, ``n_tokens`` each, from the
        first request to the last answer. Nothing is streamed: that is the least work for both
        ends, so it is the peer at its fastest."""
        body = {"n_predict": n_tokens, "cache_prompt": False, **_GREEDY}
        with ThreadPoolExecutor(len(prompts)) as pool:
            started = time.perf_counter()
            answers = list(
                pool.map(lambda text: self._post_whole({**body, "prompt": text}), prompts)
            )
            seconds = time.perf_counter() - started
        counts = {answer["tokens_predicted"] for answer in answers}
        if counts != {n_tokens}:
            raise RuntimeError(f"llama-server made {counts} tokens instead of {n_tokens}")
        return len(prompts) * n_tokens / seconds

    def complete(self, prompt: str, n_tokens: int) -> Answer:
        """Go on with plain text, computing all of it anew."""
        body = {"prompt": prompt, "n_predict": n_tokens, "cache_prompt": False, **_GREEDY}
        return _answer(self._events("/completion", body))

    def chat(
        self, messages: Sequence[dict[str, str]], n_tokens: int, *, cache_prompt: bool
    ) -> Answer:
        """Answer a conversation, through the model's chat template."""
        body = {"messages": list(messages), "max_tokens": n_tokens, "cache_prompt": cache_prompt}
        return _answer(self._events("/v1/chat/completions", {**body, **_GREEDY}))

    def complete_during(self, prompt: str, n_tokens: int, busy_with: str, wait: float) -> Answer:
        """As `complete`, asked while ``busy_with`` is being read: ``wait`` times the first step's
        time after that step's end. The long request is abandoned then."""
        body = {"prompt": busy_with, "n_predict": 1, "return_progress": True, "cache_prompt": False}
        started = time.perf_counter()
        with contextlib.closing(self._events("/completion", body)) as events:
            for event in events:
                if event.get("prompt_progress", {}).get("processed"):
                    break
            time.sleep(wait * (time.perf_counter() - started))
            answer = self.complete(prompt, n_tokens)
        self._wait_until_idle()
        return answer

    # -- inside ----------------------------------------------------------------------------

    def _post_whole(self, body: dict[str, object]) -> Any:
        with self._asked("POST", "/completion", body) as response:
            return json.load(response)

    def _events(self, path: str, body: dict[str, object]) -> Generator[Any, None, None]:
        """The events of a streamed answer; closing the generator hangs up."""
        with self._asked("POST", path, {**body, "stream": True}) as response:
            for line in response:
                field, _, content = line.partition(b":")  # no field: a comment, to keep it alive
                if field == b"data" and content.strip() != b"[DONE]":
                    yield json.loads(content)

    @contextlib.contextmanager
    def _asked(
        self, method: str, path: str, body: dict[str, object] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=REQUEST_SECONDS)
        with contextlib.closing(connection):
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                words = response.read().decode("utf-8", "replace")
                raise RuntimeError(f"llama-server answered {response.status} to {path}: {words}")
            yield response

    def _wait_until_idle(self) -> None:
        while True:
            with self._asked("GET", "/slots") as response:
                if not any(slot["is_processing"] for slot in json.load(response)):
                    return
            time.sleep(POLL_SECONDS)


def _answer(events: Iterator[Any]) -> Answer:
    started = time.perf_counter()
    first = 0.0
    text = ""
    for event in events:
        if "error" in event:
            raise RuntimeError(f"llama-server failed: {event['error']}")
        piece = _piece(event)
        if piece and not first:
            first = time.perf_counter()
        text += piece
    if not first:
        raise RuntimeError("llama-server answered without a word")
    return Answer((first - started) * 1000.0, text)


def _piece(event: Any) -> str:
    """The text in one event of either endpoint."""
    if "choices" in event:
        return event["choices"][0]["delta"].get("content") or ""
    return event.get("content") or ""
