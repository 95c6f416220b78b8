"""What a long chat costs once its beginning is known: a group of `bench.py engine`.

For each sample a new chat, whose first message makes a prompt of about `N_PROMPT` tokens, goes
through the model's chat template: the first turn (cold: nothing is reused), a second turn, that
turn regenerated, and regenerated once more by a new engine process that reads the chat's state from
disk (the process's start is not in the figure; the peer has no such thing that it does by itself).
Each time the wait for the first token; for the later ones also as a share of the same chat's cold
one.

The peer is ``llama-server --parallel 1`` over ``/v1/chat/completions`` with ``cache_prompt`` true
but for the first turn; the same model file and template, threads, ``n_ctx``, ``n_batch``, flash
attention, f16 cache, the same questions, greedy answers of `N_ANSWER` tokens, ``ignore_eos``.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench_engine_requests import Bench, answer
from bench_report import Figure, Target
from bench_server import Answer, LlamaServer
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import SnapshotOptions

N_PROMPT = 3000  # tokens
N_ANSWER = 32  # tokens
N_CTX = 4608  # tokens
N_PARALLEL = 1
SNAPSHOT_BYTES = 4 * 10**9
QUESTION = "And which of all these was the last one?"
WORDS = ("sea", "boat", "wind", "house", "tree", "road", "night", "bread", "stone", "bird")

_COLD = "cold"
# Ways to go on with a chat, and what their share of the cold wait may be.
_WARM = {
    "turn 2": Target(0.05),
    "regenerate": Target(0.05),
    "restored after a restart": Target(0.10),
}

_Ask = Callable[[Sequence[ChatTurn], bool], Awaitable[Answer]]  # the bool: may it reuse a prompt
_Waits = dict[str, float]  # milliseconds to the first token


def measure(bench: Bench) -> list[Figure]:
    """The cold wait, and each other one in ms and as a share of the cold one."""
    ours, theirs = asyncio.run(_measure(bench))
    figures = [_wait_figure(_COLD, ours, theirs)]
    for name, target in _WARM.items():
        shares, peer_shares = _shares(name, ours), _shares(name, theirs)
        figures.append(_wait_figure(name, ours, theirs))
        figures.append(Figure("  ÷ cold", "×", shares, target, peer_shares))
    return figures


def _wait_figure(name: str, ours: Sequence[_Waits], theirs: Sequence[_Waits]) -> Figure:
    waits = tuple(chat[name] for chat in ours)
    peer = tuple(chat[name] for chat in theirs if name in chat)
    return Figure(f"first token, {N_PROMPT:,}-token chat, {name}", "ms", waits, peer=peer)


def _shares(name: str, chats: Sequence[_Waits]) -> tuple[float, ...]:
    return tuple(chat[name] / chat[_COLD] for chat in chats if name in chat)


async def _measure(bench: Bench) -> tuple[list[_Waits], list[_Waits]]:
    ours: list[_Waits] = []
    theirs: list[_Waits] = []
    with tempfile.TemporaryDirectory(prefix="minerva-bench-") as folder:
        options = bench.options(
            n_ctx=N_CTX,
            n_parallel=N_PARALLEL,
            snapshots=SnapshotOptions(bytes(Path(folder)), SNAPSHOT_BYTES),
        )
        engine = LlamaEngine(bench.model)
        info = await engine.load(options=options)
        await engine.generate(QUESTION, N_ANSWER).wait_completion()  # warms up
        with bench.server(info, options) as server:
            for run in range(bench.runs):
                opening = await _opening(engine, run)
                ask = _ask_engine(engine, f"chat-{run}")
                waits, chat = await _talk(ask, opening)
                await engine.unload()
                await engine.load(options=options)
                restored = await ask(chat, True)
                ours.append(waits | {"restored after a restart": restored.first_token_ms})
                if server is not None:
                    theirs.append((await _talk(_ask_server(server), opening))[0])
        await engine.unload()
    return ours, theirs


async def _talk(ask: _Ask, opening: ChatTurn) -> tuple[_Waits, list[ChatTurn]]:
    """The waits, and the turns of the chat before its last answer."""
    first = await ask([opening], False)
    chat = [opening, ChatTurn(Role.ASSISTANT, first.text), ChatTurn(Role.USER, QUESTION)]
    second = await ask(chat, True)
    again = await ask(chat, True)
    waits = {
        _COLD: first.first_token_ms,
        "turn 2": second.first_token_ms,
        "regenerate": again.first_token_ms,
    }
    return waits, chat


def _ask_engine(engine: LlamaEngine, name: str) -> _Ask:
    async def ask(turns: Sequence[ChatTurn], may_reuse: bool) -> Answer:
        return await answer(engine, turns, N_ANSWER, cache_prompt=may_reuse, snapshot=name)

    return ask


def _ask_server(server: LlamaServer) -> _Ask:
    async def ask(turns: Sequence[ChatTurn], may_reuse: bool) -> Answer:
        messages = [{"role": turn.role.value, "content": turn.text} for turn in turns]
        return await asyncio.to_thread(server.chat, messages, N_ANSWER, cache_prompt=may_reuse)

    return ask


async def _opening(engine: LlamaEngine, run: int) -> ChatTurn:
    """A first message that makes `N_PROMPT` tokens, or a few less; another one for each run."""
    chosen = random.Random(run).choices(WORDS, k=N_PROMPT)

    def of(n_words: int) -> ChatTurn:
        return ChatTurn(Role.USER, f"Chat {run + 1}: " + " ".join(chosen[:n_words]))

    n_words = N_PROMPT
    while (excess := await engine.count_tokens([of(n_words)]) - N_PROMPT) > 0:
        n_words -= excess
    return of(n_words)
