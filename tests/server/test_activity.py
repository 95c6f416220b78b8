"""The list of requests, told by work that really runs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from minerva_desktop.chat.completion import Timings
from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import InferenceError, InvalidRequest, QueueFull, RequestCancelled
from minerva_desktop.server import activity as module
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.lifetime import Lifetime
from minerva_desktop.server.request_info import End, RequestInfo, request_info
from tests.server.fake_models import COMPLETION


def scope(request_id: str = "id", body_bytes: int = 0) -> dict[str, Any]:
    """What the access layer hands on."""
    made: dict[str, Any] = {"client": ("10.0.0.7", 5)}
    info = request_info(made)
    info.request_id, info.key_name, info.body_bytes = request_id, "laptop", body_bytes
    return made


def only(activity: Activity) -> RequestRecord:
    (record,) = activity.snapshot()
    return record


async def text() -> str:
    return "<user>Hi"


async def test_a_request_from_its_beginning_to_its_end() -> None:
    n_changes = 0

    def changed() -> None:
        nonlocal n_changes
        n_changes += 1

    activity = Activity(changed)
    stream = TokenStream()
    with activity.begin(
        scope(), dialect="chat", model="tiny", is_stream=True, prompt=text
    ) as request:
        first = only(activity)
        assert first.state is RequestState.LOADING
        assert (first.request_id, first.client, first.key_name) == ("id", "10.0.0.7", "laptop")
        assert (first.dialect, first.model, first.is_stream) == ("chat", "tiny", True)
        assert (first.status, first.is_over, first.error) == (None, False, "")
        assert await activity.prompt(first.number) == "<user>Hi"
        request.follow(stream)
        assert only(activity).state is RequestState.QUEUED
        stream.report_prefill(4, 12)
        record = only(activity)
        assert record.state is RequestState.PREFILL
        assert (record.read_tokens, record.prompt_tokens) == (4, 12)
        stream.report_prefill(12, 12)
        stream.push_token("A")
        assert only(activity).state is RequestState.DECODING
        assert only(activity).generated_tokens == 1
        stream.push_token("B")
        stream.push_token("C")
        assert only(activity).tokens_per_second > 0
        before = n_changes
        stream.finish(COMPLETION)
        assert n_changes == before
    end = only(activity)
    assert n_changes == 3
    assert (end.state, end.status, end.error) == (RequestState.FINISHED, 200, "")
    assert (end.prompt_tokens, end.cached_tokens, end.generated_tokens) == (12, 4, 3)
    assert end.tokens_per_second == 2 * 1000 / 40
    assert end.number == first.number
    assert await activity.prompt(end.number) == "<user>Hi"


async def test_a_request_is_over_with_its_answer_not_with_its_work() -> None:
    for end, status, state in (
        (End.COMPLETE, 200, RequestState.FINISHED),
        (End.CANCELLED, 499, RequestState.CANCELLED),
        (End.FAILED, 500, RequestState.FAILED),
    ):
        activity, asked = Activity(), scope()
        info = request_info(asked)
        info.is_open, info.status = True, 200
        with activity.begin(asked, dialect="chat", model="tiny", is_stream=True):
            pass
        record = only(activity)
        assert (record.state, record.status) == (RequestState.SENDING, None)
        info.end = end
        activity.close(info)
        activity.close(info)  # which is nothing
        record = only(activity)
        assert (record.state, record.status) == (state, status)


async def test_a_failure_is_told_in_its_words() -> None:
    activity = Activity()
    with (
        pytest.raises(InferenceError),
        activity.begin(scope(), dialect="chat", model="m", is_stream=False),
    ):
        raise InferenceError("It broke")
    with (
        pytest.raises(ZeroDivisionError),
        activity.begin(scope(), dialect="chat", model="m", is_stream=False),
    ):
        _ = 1 // 0
    bug, failure = activity.snapshot()
    assert (failure.state, failure.status, failure.error) == (RequestState.FAILED, 500, "It broke")
    assert (bug.state, bug.status) == (RequestState.FAILED, 500)


async def run_until_cancelled(activity: Activity, lifetime: Lifetime) -> None:
    async def work() -> None:
        stream = TokenStream()
        with activity.begin(scope(), dialect="chat", model="m", is_stream=False) as request:
            request.follow(stream)
            stream.report_prefill(3, 3, 2)
            stream.push_token("A")
            await stream.text()

    await lifetime.run(work())


async def test_the_person_cancels_it() -> None:
    activity = Activity()
    task = asyncio.create_task(run_until_cancelled(activity, Lifetime()))
    while not activity.snapshot():
        await asyncio.sleep(0)
    activity.cancel(only(activity).number)
    activity.cancel(only(activity).number)
    with pytest.raises(RequestCancelled):
        await task
    record = only(activity)
    assert (record.state, record.status) == (RequestState.CANCELLED, 499)
    assert (record.prompt_tokens, record.cached_tokens, record.generated_tokens) == (3, 2, 1)
    activity.cancel(record.number)
    activity.cancel(12345)


async def test_the_endpoint_stops_or_the_client_goes() -> None:
    activity, lifetime = Activity(), Lifetime()
    task = asyncio.create_task(run_until_cancelled(activity, lifetime))
    while not activity.snapshot():
        await asyncio.sleep(0)
    lifetime.stop()
    await asyncio.gather(task, return_exceptions=True)
    record = only(activity)
    assert (record.state, record.status) == (RequestState.STOPPED, 503)
    assert record.error == "The endpoint was switched off before the answer was complete"


async def test_refusals_are_listed_among_the_others_and_push_none_of_them_out() -> None:
    activity = Activity()
    with activity.begin(scope("first"), dialect="chat", model="m", is_stream=False):
        pass
    for index in range(module.MAX_REFUSED + 5):
        info = request_info(scope(f"refused {index}"))
        info.asked_model, info.status = "\u202egpt\n" + "x" * 500, 404
        info.error_code, info.error_message = "model_not_found", "There is no such model"
        activity.note_refusal(info, dialect="chat")
    with activity.begin(scope("last"), dialect="chat", model="m", is_stream=False):
        pass
    records = activity.snapshot()
    assert len(records) == module.MAX_REFUSED + 2
    assert [record.request_id for record in records[:2]] == ["last", "refused 54"]
    assert records[-1].request_id == "first"
    refused = records[1]
    assert (refused.state, refused.status) == (RequestState.FAILED, 404)
    assert (refused.error, refused.dialect) == ("There is no such model", "chat")
    assert (refused.has_prompt, refused.client, refused.key_name) == (False, "10.0.0.7", "laptop")
    assert refused.model == "gpt " + "x" * 95 + "…"


async def test_the_list_is_bounded_and_the_latest_comes_first() -> None:
    activity = Activity()
    for index in range(module.MAX_FINISHED + 20):
        with activity.begin(scope(str(index)), dialect="chat", model="m", is_stream=False):
            pass
    records = activity.snapshot()
    assert len(records) == module.MAX_FINISHED
    assert [record.request_id for record in records[:2]] == ["119", "118"]
    with activity.begin(scope("now"), dialect="chat", model="m", is_stream=False):
        assert activity.snapshot()[0].request_id == "now"


async def test_prompts_of_the_past_are_bounded_by_their_size() -> None:
    activity = Activity()
    size = module.MAX_PROMPT_BYTES // 4
    for index in range(6):
        with activity.begin(
            scope(str(index), size), dialect="chat", model="m", is_stream=False, prompt=text
        ):
            pass
    records = activity.snapshot()
    assert [record.has_prompt for record in records] == [True] * 4 + [False] * 2
    assert await activity.prompt(records[3].number) == "<user>Hi"
    with pytest.raises(InvalidRequest):
        await activity.prompt(records[4].number)
    with pytest.raises(InvalidRequest):
        await activity.prompt(12345)


async def test_only_so_many_may_wait_for_loads() -> None:
    activity = Activity(max_loading=1)
    stream = TokenStream()
    with activity.begin(scope(), dialect="chat", model="m", is_stream=False) as request:
        with (
            pytest.raises(QueueFull, match="1 requests wait"),
            activity.begin(scope(), dialect="chat", model="m", is_stream=False),
        ):
            pytest.fail("it may not begin")
        request.follow(stream)
        with activity.begin(scope(), dialect="chat", model="m", is_stream=False) as embedding:
            embedding.follow()
            assert activity.snapshot()[1].state is RequestState.PREFILL
            embedding.count(prompt_tokens=7)
            assert activity.snapshot()[1].prompt_tokens == 7
    assert [record.state for record in activity.snapshot()] == [RequestState.FINISHED] * 2


def test_generations_of_one_request_are_added_up() -> None:
    info = RequestInfo("id", "here")
    assert (info.prompt_tokens, info.tokens_per_second) == (0, 0.0)
    for n_tokens, decode_ms in ((11, 100.0), (21, 200.0)):
        info.generations.append(
            msgspec.structs.replace(
                COMPLETION.timings, completion_tokens=n_tokens, decode_ms=decode_ms
            )
        )
    info.generations.append(Timings(prompt_tokens=1, completion_tokens=1))
    assert (info.prompt_tokens, info.cached_tokens, info.generated_tokens) == (25, 8, 33)
    assert info.tokens_per_second == 30 * 1000 / 200
