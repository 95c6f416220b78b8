"""When a step of several decodes ends, how long one is said to take, and what is left of what was
ended. In a process of its own, as llama.cpp is loaded there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.native_script import said_by

SCRIPT = r"""
import json, sys, time
from pathlib import Path
from msgspec.structs import replace
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.desk import PreparedGeneration
from minerva_desktop.engine.core.loop import EngineLoop
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.loading import load_core
from minerva_desktop.engine.load_options import LoadOptions, Speculation
from minerva_desktop.engine.messages import Generate, Load, Loaded, Ping, Pong, StepOutputs

abort = AbortFlag()
path, options = Path(sys.argv[1]), LoadOptions(n_ctx=1024, n_threads=1, n_threads_batch=1)
greedy = SamplingParameters(temperature=0.0, max_tokens=4)
requests = [
    Generate(request_id=number, sampling=greedy, text=f" {word}" * 70)
    for number, word in enumerate(("river", "mountain", "window"))
]

core = load_core(
    path, options, on_progress=lambda done: None, log=LlamaLog(), abort=abort
)
builder = core.prompt_builder()
for request in requests:
    core.add(PreparedGeneration(request, builder.build(request), None, None, (), 0.0))
core.interrupt(0)  # an abort that came after the inbox was read, and before the step
n_events = [len(list(core.step())) for _ in range(2)]


for request in requests:
    core.abort(request.request_id)
long = Generate(request_id=9, sampling=greedy, text=" sea" * 400)
decode = core._cache._context.decode
n_kept = []
for request_id in (6, 7, 8, 9):
    again = replace(long, request_id=request_id)
    def decode_amid_an_abort():
        core.interrupt(request_id)
        return decode()
    core._cache._context.decode = decode_amid_an_abort
    core.add(PreparedGeneration(again, builder.build(again), None, None, (), 0.0))
    *_, last = [output for event in core.step() for output in event.outputs] or [None]
    (end,) = core.abort(request_id)
    n_kept.append((end.outputs[0].completion.timings.cached_tokens, last and last.prefill_done))
    abort.clear()

guessing = load_core(
    path,
    replace(options, speculation=Speculation(draft_model=bytes(path), n_draft=2)),
    on_progress=lambda done: None,
    log=LlamaLog(),
    abort=AbortFlag(),
)
n_drafted = []
for cache_prompt in (False, True):
    asked = Generate(request_id=0, sampling=greedy, text="Once upon", cache_prompt=cache_prompt)
    guessing.add(PreparedGeneration(asked, builder.build(asked), None, None, (), 0.0))
    while guessing.has_work:
        list(guessing.step())
    n_drafted.append(sum(map(len, guessing._drafter._held.values())))
asked = replace(asked, sampling=replace(greedy, max_tokens=60, ignore_eos=True))
guessing.add(PreparedGeneration(asked, builder.build(asked), None, None, (), 0.0))
given_up = replace(asked, request_id=1, text="A story", cache_prompt=False)
guessing.add(PreparedGeneration(given_up, builder.build(given_up), None, None, (), 0.0))
while guessing._requests[1].sequence.n_sampled < 2:
    list(guessing.step())
while guessing._requests[1].sequence.slot is not None:  # puts it back, once kept ones are gone
    guessing._cache._make_room()
guessing.abort(1)
drafted_for = list(guessing._drafter._held)
still_running = guessing._requests[0].sequence.slot.index


class Over(Exception):
    pass


class Watch:
    def __init__(self):
        self.loop = EngineLoop(self.take)
        self.last, self.n_open, self.said = time.monotonic(), len(requests), []

    def take(self, event):
        if isinstance(event, Loaded):
            raise Over
        if isinstance(event, Pong):
            self.said.append((event.step_seconds, time.monotonic() - self.last))
        if isinstance(event, StepOutputs):
            self.loop.post(Ping())
            self.last = time.monotonic()
            self.n_open -= sum(output.completion is not None for output in event.outputs)
            if not self.n_open:
                raise Over


watch = Watch()
for posted in ([Load(bytes(path), options)], requests):
    for request in posted:
        watch.loop.post(request)
    try:
        watch.loop.run()
    except Over:
        pass
found = {"n_events": n_events, "said": watch.said, "n_kept": n_kept, "n_drafted": n_drafted}
found |= {"drafted_for": drafted_for, "still_running": still_running}
print("\n" + json.dumps(found))
"""

WHOLE = (
    SCRIPT[: SCRIPT.index("core.interrupt(0)")]
    + r"""
abort.set()
print("\n" + json.dumps(len([output for event in core.step() for output in event.outputs])))
"""
)


@pytest.fixture(scope="module")
def found(quantised_path: Path) -> dict[str, Any]:
    result: dict[str, Any] = said_by(SCRIPT, quantised_path)
    return result


def test_an_abort_that_comes_just_before_a_step_ends_it_with_its_first_decode(
    found: dict[str, Any],
) -> None:
    first, second = found["n_events"]
    assert first == 1
    assert second > 2  # it was the only one


def test_a_decode_and_not_its_step_is_what_may_take_too_long(found: dict[str, Any]) -> None:
    """A slow machine with a large model would else be taken for one that hangs."""
    assert len(found["said"]) > 4
    assert all(seconds <= since_last for seconds, since_last in found["said"])


def test_who_gives_up_and_asks_again_gains_by_each_try_from_the_third_on(
    found: dict[str, Any],
) -> None:
    """A client that waited for less time than one piece of its prompt takes never had an answer."""
    (_, first), (_, second), third, fourth = found["n_kept"]
    assert (first, second) == (None, None)
    assert third == [0, 64]
    assert fourth == [64, 128]


def test_what_leaves_nothing_leaves_none_with_a_draft_model(found: dict[str, Any]) -> None:
    left, kept = found["n_drafted"]
    assert left == 0
    assert kept > 0


def test_nor_does_what_was_put_back_and_is_given_up_then(found: dict[str, Any]) -> None:
    assert found["drafted_for"] == [found["still_running"]]


def test_the_decode_of_a_state_that_cannot_go_back_is_not_ended(recurrent_path: Path) -> None:
    """llama.cpp had then told that others' states lay elsewhere, and not moved them: their answers
    went on from wrong ones."""
    assert said_by(WHOLE, recurrent_path) > 0
