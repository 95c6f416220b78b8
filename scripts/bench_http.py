"""The HTTP endpoint beside llama.cpp's: `bench.py http`.

Ours is ``minerva serve``, a process with settings and data of its own; the peer is
``llama-server``. Each run starts both anew, for the same server is up to 6 % faster or slower from
start to start (**measured**), and asks one at a time, in alternation, beginning with the other one
each time; whoever isn't asked takes no time. The same on both sides: model file, threads, `N_CTX`
tokens shared by `N_PARALLEL` slots, ``n_batch`` and ``n_ubatch``, flash attention, f16 cache, the
client, and every request: ``POST /v1/chat/completions``, streamed, greedy, `N_TOKENS` tokens, on a
connection of its own. Each stream has its own prompt, of one length, which the table's names give
with the chat template in it.

``ignore_eos`` and ``cache_prompt: false`` are asked for where all servers take them; what is left
out is told, and so are answers that end early. With ``--reuse-prompts`` the second is left out, as
clients do: then both servers read only what is new to them, which is all but the template's system
message and the first words. In a turn all streams ask at the same moment. Tokens
per second: all tokens over the turns' times from the first request to the end of the last answer,
prompts included. First token: from before the connection is made. Inter-token: between one event
with text and the next, so a server that sends two tokens at once has the longer gap to answer for.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import bench_http_servers
from bench_engine_requests import Bench
from bench_http_client import BAD_REQUEST, Answer, ask_together
from bench_http_prompts import has_foreign_words, messages_of, suspects, words_of
from bench_process import ServerProcess
from bench_report import Figure, Target
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.library.model_file import read_model_file

N_CTX = 4096  # tokens; room for all slots at once
N_PARALLEL = 16
N_TOKENS = 96  # of each answer
TURNS = {1: 6, 4: 3, 16: 2}  # of a run, by streams: enough answers for its percentiles
MANY_STREAMS = 64  # far more than slots
MANY_TOKENS = 64

_GREEDY: Mapping[str, object] = {"temperature": 0.0}
_WISHES: Mapping[str, object] = {"ignore_eos": True}
_ANEW: Mapping[str, object] = {"cache_prompt": False}

_AGGREGATE, _FIRST_50, _FIRST_95, _GAP_99 = "tokens/s", "first p50", "first p95", "gap p99"
_FAILED, _CROSSED = "failures", "crossed"
_RATIO_TARGETS = {
    **{(_AGGREGATE, n_streams): Target(1.0, at_least=True, of_ratio=True) for n_streams in TURNS},
    (_FIRST_95, 16): Target(1.0, of_ratio=True),
    (_GAP_99, 16): Target(1.0, of_ratio=True),
}
_NAMES = {
    _AGGREGATE: ("aggregate", "tokens/s"),
    _FIRST_50: ("first token p50", "ms"),
    _FIRST_95: ("first token p95", "ms"),
    _GAP_99: ("inter-token p99", "ms"),
}

Samples = dict[tuple[str, int], list[float]]


def measure(bench: Bench, *, reuses_prompts: bool) -> tuple[list[Figure], dict[str, object]]:
    """The endpoint's figures, and what was asked of both servers."""
    wishes = _WISHES if reuses_prompts else {**_WISHES, **_ANEW}
    n_parallel = bench_http_servers.n_parallel_of_serve(N_PARALLEL)
    options = LoadOptions(n_ctx=N_CTX, n_parallel=n_parallel)
    model = read_model_file(bench.model).model_id
    body: dict[str, object] = {"model": model, **_GREEDY}
    info = asyncio.run(bench_http_servers.loaded(bench.model, options))
    turns = itertools.count()
    sides: list[_Side] = []
    for run in range(bench.runs):
        with bench_http_servers.running(bench, options, info) as servers:
            if not sides:
                body |= asyncio.run(_accepted_wishes(servers, body, wishes))
                sides = [_Side(server, body) for server in servers]
            for side, server in zip(sides, servers, strict=True):
                side.server = server
            _run_once(sides if run % 2 == 0 else sides[::-1], turns)
    for side in sides:
        if side.n_early:
            print(f"{side.server.name}: {side.n_early} answers ended early", file=sys.stderr)
    asked = {
        "threads": info.n_threads,
        "n_ctx": info.n_ctx,
        "n_parallel": info.n_parallel,
        "n_batch": options.n_batch,
        "prompt_tokens": sorted(_prompt_lengths(sides)),
        "answer_tokens": {"speed": N_TOKENS, f"{MANY_STREAMS} streams": MANY_TOKENS},
        "turns": {str(n_streams): n_turns for n_streams, n_turns in TURNS.items()},
        "body": {**body, "stream": True},
    }
    return _figures(sides), {"http": asked}


@dataclass
class _Side:
    """One server, as of the current run, and what was measured of it: a sample a run, by figure
    and number of streams."""

    server: ServerProcess
    body: Mapping[str, object]
    samples: Samples = field(default_factory=dict)
    prompt_lengths: set[int] = field(default_factory=set)
    n_early: int = 0

    def warm_up(self, n_streams: int, turn: int) -> None:
        """One turn that counts for nothing."""
        self._ask(n_streams, turn, N_TOKENS)

    def time_streams(self, n_streams: int, turns: Sequence[int]) -> None:
        """A sample of all speeds; raises `RuntimeError` when an answer fails."""
        rounds = [self._ask(n_streams, turn, N_TOKENS) for turn in turns]
        answers = [answer for each in rounds for answer in each]
        for answer in answers:
            if answer.failure is not None:
                raise RuntimeError(f"{self.server.name}: {answer.failure}")
        self.n_early += sum(answer.n_tokens < N_TOKENS for answer in answers)
        self.prompt_lengths.update(answer.n_prompt for answer in answers)
        seconds = sum(
            max(answer.ended for answer in each) - min(answer.asked for answer in each)
            for each in rounds
        )
        firsts = [answer.first_token_ms for answer in answers]
        gaps = [gap for answer in answers for gap in answer.gaps_ms]
        self._note(_AGGREGATE, n_streams, sum(answer.n_tokens for answer in answers) / seconds)
        self._note(_FIRST_50, n_streams, percentile(firsts, 50))
        self._note(_FIRST_95, n_streams, percentile(firsts, 95))
        self._note(_GAP_99, n_streams, percentile(gaps, 99))

    def count_faults(self, turn: int) -> None:
        """A sample of failed and of crossed answers, with more streams than slots."""
        answers = self._ask(MANY_STREAMS, turn, MANY_TOKENS)
        failures = [answer.failure for answer in answers if answer.failure is not None]
        for failure in sorted(set(failures)):
            print(f"{self.server.name}: {failures.count(failure)} × {failure}", file=sys.stderr)
        texts = [None if answer.failure else answer.text for answer in answers]
        self._note(_FAILED, MANY_STREAMS, len(failures))
        self._note(
            _CROSSED,
            MANY_STREAMS,
            sum(self._is_crossed(each, turn) for each in suspects(texts, turn)),
        )

    def _is_crossed(self, stream: int, turn: int) -> bool:
        """Whether an answer with foreign words is somebody else's: alone, the model says none."""
        (alone,) = asyncio.run(
            ask_together(self.server.port, [self._asked(stream, turn, MANY_TOKENS)])
        )
        return not has_foreign_words(alone.text, words_of(stream, turn))

    def _ask(self, n_streams: int, turn: int, n_tokens: int) -> list[Answer]:
        bodies = [self._asked(stream, turn, n_tokens) for stream in range(n_streams)]
        return asyncio.run(ask_together(self.server.port, bodies))

    def _asked(self, stream: int, turn: int, n_tokens: int) -> dict[str, object]:
        return _asking(messages_of(stream, turn), n_tokens, self.body)

    def _note(self, name: str, n_streams: int, value: float) -> None:
        self.samples.setdefault((name, n_streams), []).append(value)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that so many percent of them do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100.0), 1) - 1]


def _run_once(sides: Sequence[_Side], turns: Iterator[int]) -> None:
    """A sample of each figure from servers that have just started."""
    warming = next(turns)
    for side in sides:
        side.warm_up(max(TURNS), warming)
    for n_streams, n_turns in TURNS.items():
        chosen = _take(turns, n_turns)
        for side in sides:
            side.time_streams(n_streams, chosen)
    (chosen_one,) = _take(turns, 1)
    for side in sides:
        side.count_faults(chosen_one)


def _take(turns: Iterator[int], count: int) -> list[int]:
    return list(itertools.islice(turns, count))


def _asking(
    messages: Sequence[dict[str, str]], n_tokens: int, body: Mapping[str, object]
) -> dict[str, object]:
    return {**body, "messages": messages, "max_tokens": n_tokens}


async def _accepted_wishes(
    servers: Sequence[ServerProcess], body: Mapping[str, object], wishes: Mapping[str, object]
) -> dict[str, object]:
    """Those of ``wishes`` that no server refuses: all of them are asked for the same."""
    accepted = dict(wishes)
    for server, (name, value) in itertools.product(servers, wishes.items()):
        asked = _asking(messages_of(0, 0), 1, {**body, name: value})
        (answer,) = await ask_together(server.port, [asked])
        if answer.status == BAD_REQUEST and name in accepted:
            del accepted[name]
            print(f"{server.name} refuses {name}: nobody is asked for it", file=sys.stderr)
    return accepted


def _prompt_lengths(sides: Sequence[_Side]) -> set[int]:
    """In tokens, of all prompts; raises `RuntimeError` when the servers read different ones."""
    ours = sides[0].prompt_lengths
    for side in sides:
        if side.prompt_lengths != ours:
            raise RuntimeError(f"The prompts have {ours} tokens here, {side.prompt_lengths} there")
    return ours


def _figures(sides: Sequence[_Side]) -> list[Figure]:
    ours, *peers = sides
    lengths = sorted(_prompt_lengths(sides))
    prompts = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} … {lengths[-1]}"
    figures = []
    for n_streams, (key, (name, unit)) in itertools.product(TURNS, _NAMES.items()):
        streams = "1 stream" if n_streams == 1 else f"{n_streams} streams"
        figures.append(
            Figure(
                f"{name}, {streams} ({prompts} + {N_TOKENS} tokens)",
                unit,
                tuple(ours.samples[key, n_streams]),
                _RATIO_TARGETS.get((key, n_streams)),
                tuple(peers[0].samples[key, n_streams]) if peers else (),
            )
        )
    for side, key in itertools.product(sides, (_FAILED, _CROSSED)):
        owner = "" if side is ours else f", {side.server.name}"
        target = Target(0.0, of_worst=True) if side is ours else None
        samples = tuple(side.samples[key, MANY_STREAMS])
        figures.append(
            Figure(f"{key} of {MANY_STREAMS} streams{owner}", "answers", samples, target)
        )
    return figures
