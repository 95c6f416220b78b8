"""KV snapshots: a chat goes on after a restart without its history being processed again.

Said once with the embedded model; what is kept, refused and thrown away, with small ones.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import KvType, LoraAdapter, Speculation
from minerva_desktop.errors import InvalidRequest
from tests.engine.kept_chats import COUNT, GREEDY, Chats, answer
from tests.engine.models import split_model, write_lora, write_with_long_rope


async def _tokens_and_answer(engine: LlamaEngine) -> list[int]:
    """The tokens of `COUNT` and of the answer to it, the last of which was not computed. The text
    of a model without sense would be other tokens when it is read again."""
    prompt = (await engine.tokenize(COUNT, add_special=True)).tokens
    sampling = msgspec.structs.replace(GREEDY, top_logprobs=0)
    stream = engine.generate(COUNT, sampling=sampling, snapshot="chat-1")
    await stream.text()
    return [*prompt, *(entry.token for entry in stream.logprobs)]


async def test_a_chat_goes_on_after_a_restart_with_the_same_answer(
    chats: Chats, quantised_path: Path
) -> None:
    engine = await chats.start(quantised_path)
    first, cold = await answer(engine, COUNT)
    assert (cold.timings.cached_tokens, cold.restored_tokens) == (0, 0)
    await chats.saved()
    warm_text, warm = await answer(engine, f"{COUNT}{first}\nAgain: 1, 2, 3,", None)
    assert warm.restored_tokens == 0 < warm.timings.cached_tokens
    engine = await chats.start(quantised_path)
    text, done = await answer(engine, f"{COUNT}{first}\nAgain: 1, 2, 3,")
    assert done.timings.cached_tokens == done.restored_tokens > cold.timings.prompt_tokens
    assert text == warm_text
    # And the beginning alone: what was said since is forgotten again.
    engine = await chats.start(quantised_path)
    text, done = await answer(engine, COUNT)
    assert done.restored_tokens == done.timings.prompt_tokens - 1
    assert text == first


async def test_a_budget_of_nothing_writes_nothing(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path, max_bytes=0)
    await answer(engine, COUNT)
    await engine.unload()
    assert not chats.folder.exists()


async def test_only_named_chats_are_written(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path)
    await answer(engine, COUNT, None)
    await answer(engine, COUNT, "named")
    (file,) = await chats.ended()
    assert file.stem == "named"
    assert not list(chats.folder.glob("*/*.partial"))


async def test_a_short_chat_is_not_worth_a_file(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path)
    await answer(engine, "1, 2, 3,", "short")
    await answer(engine, COUNT, "long")
    assert [file.stem for file in await chats.ended()] == ["long"]


async def test_other_cache_types_do_not_read_it(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path)
    await answer(engine, COUNT)
    engine = await chats.start(small_path, kv_type=KvType.Q8_0)
    _, done = await answer(engine, COUNT)
    assert (done.restored_tokens, done.timings.cached_tokens) == (0, 0)
    assert len(await chats.ended()) == 2


async def test_a_context_with_other_rotary_factors_does_not_read_it(
    chats: Chats, small_path: Path, tmp_path: Path
) -> None:
    """Phi 3 turns keys otherwise where the context is longer than it was first trained for."""
    model = tmp_path / "long.gguf"
    write_with_long_rope(model, small_path, 1024)
    engine = await chats.start(model, n_ctx=1024)
    short, _ = await answer(engine, COUNT)
    engine = await chats.start(model, n_ctx=2048)
    long, cold = await answer(engine, COUNT)
    assert (cold.restored_tokens, long != short) == (0, True)
    for n_ctx, text in ((4096, long), (512, short)):
        engine = await chats.start(model, n_ctx=n_ctx)
        again, done = await answer(engine, COUNT)
        assert (done.restored_tokens, again) == (done.timings.prompt_tokens - 1, text)


async def test_the_budget_holds_and_the_oldest_goes_first(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path)
    await answer(engine, COUNT, "one")
    (one,) = await chats.ended()
    budget = one.stat().st_size * 5 // 2
    engine = await chats.start(small_path, max_bytes=budget)
    await answer(engine, f"A: {COUNT}", "two")
    _, two = await chats.ended()
    os.utime(one, (1, 1))
    engine = await chats.start(small_path, max_bytes=budget)
    await answer(engine, f"B: {COUNT}", "three")
    assert [file.stem for file in await chats.ended()] == ["three", "two"]
    assert sum(file.stat().st_size for file in chats.files()) <= budget
    assert two.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
async def test_a_damaged_file_is_processed_anew(
    chats: Chats, small_path: Path, damage: str
) -> None:
    engine = await chats.start(small_path)
    text, _ = await answer(engine, COUNT)
    (file,) = await chats.ended()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damaged = {"cut": whole[: len(whole) // 2], "empty": b"", "flipped": bytes(flipped)}
    file.write_bytes(damaged[damage])
    engine = await chats.start(small_path)
    again, done = await answer(engine, COUNT)
    assert (again, done.restored_tokens) == (text, 0)


async def test_a_folder_that_cannot_be_written_does_no_harm(chats: Chats, small_path: Path) -> None:
    chats.folder.write_text("a file is in the way")
    engine = await chats.start(small_path)
    first, _ = await answer(engine, COUNT)
    text, _ = await answer(engine, COUNT)
    assert text == first
    assert chats.folder.read_text() == "a file is in the way"


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="needs a limit of file sizes")
async def test_a_disk_that_is_full_costs_the_state_and_nothing_else(
    chats: Chats, small_path: Path
) -> None:
    engine = await chats.start(small_path)
    assert engine.pid is not None
    psutil.Process(engine.pid).rlimit(psutil.RLIMIT_FSIZE, (10_000, 10_000))
    first, _ = await answer(engine, COUNT)
    engine = await chats.start(small_path)  # the end of the one before is its last chance to save
    assert [path.name for path in chats.folder.rglob("*") if path.is_file()] == ["model.json"]
    text, done = await answer(engine, COUNT)
    assert (text, done.restored_tokens) == (first, 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
async def test_a_pipe_in_the_place_of_a_state_holds_nobody_up(
    chats: Chats, small_path: Path
) -> None:
    engine = await chats.start(small_path)
    first, _ = await answer(engine, COUNT)
    (file,) = await chats.ended()
    engine = await chats.start(small_path)
    file.unlink()
    os.mkfifo(file)
    text, done = await answer(engine, COUNT)
    assert (text, done.restored_tokens) == (first, 0)


async def test_a_name_that_is_a_path_is_refused(chats: Chats, small_path: Path) -> None:
    engine = await chats.start(small_path)
    with pytest.raises(InvalidRequest, match="letters, digits"):
        await answer(engine, COUNT, "../escape")


async def test_an_append_only_state_is_resumed_at_its_end_only(
    chats: Chats, window_path: Path
) -> None:
    engine = await chats.start(window_path)
    said = await _tokens_and_answer(engine)
    engine = await chats.start(window_path)
    text, done = await answer(engine, longer := [*said, *said[-9:]])
    assert done.restored_tokens == len(said) - 1
    engine = await chats.start(window_path)
    _, same = await answer(engine, COUNT)
    assert same.restored_tokens == 0  # its end would have to be taken back
    cold = engine.generate(longer, sampling=GREEDY, cache_prompt=False)
    assert await cold.text() == text


async def test_a_window_that_was_written_without_its_past_is_not_taken_back(
    chats: Chats, window_path: Path
) -> None:
    """Guessing ahead keeps all cells in memory; llama.cpp does not write them to the file."""
    guessing = Speculation(n_draft=4)
    numbers = ", ".join(str(number) for number in range(1, 200)) + ","
    beginning = numbers[: numbers.index(" 100,")]
    engine = await chats.start(window_path, speculation=guessing)
    await answer(engine, numbers)
    engine = await chats.start(window_path, speculation=guessing)
    text, done = await answer(engine, beginning)
    cold = engine.generate(beginning, sampling=GREEDY, cache_prompt=False)
    assert (done.restored_tokens, text) == (0, await cold.text())


async def test_a_state_belongs_to_the_scales_of_the_adapters(
    chats: Chats, small_path: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter.gguf"
    write_lora(adapter, small_path, seed=1, strength=1.0)
    lora = (LoraAdapter(bytes(adapter), 0.0),)
    engine = await chats.start(small_path, lora=lora)
    await engine.generate(COUNT, sampling=GREEDY, snapshot="chat-1", lora=(1.0,)).text()
    engine = await chats.start(small_path, lora=lora)
    _, other = await answer(engine, COUNT)
    engine = await chats.start(small_path, lora=lora)
    _, same = await answer(engine, COUNT)
    assert other.restored_tokens == 0 < same.restored_tokens


async def test_other_weights_behind_the_same_header_are_another_model(
    chats: Chats, small_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "tuned.gguf"
    weights = bytearray(small_path.read_bytes())
    model.write_bytes(weights)
    engine = await chats.start(model)
    await answer(engine, COUNT)
    middle = len(weights) // 2
    weights[middle : middle + 1_000_000] = weights[middle + 2 : middle + 1_000_002]  # by an F16
    await engine.unload()
    model.write_bytes(weights)
    engine = await chats.start(model)
    _, done = await answer(engine, COUNT)
    assert done.restored_tokens == 0


async def test_a_recurrent_state_is_resumed_too(chats: Chats, recurrent_path: Path) -> None:
    engine = await chats.start(recurrent_path)
    said = await _tokens_and_answer(engine)
    engine = await chats.start(recurrent_path)
    text, done = await answer(engine, longer := [*said, *said[-9:]])
    assert done.timings.cached_tokens == done.restored_tokens == len(said) - 1
    cold = engine.generate(longer, sampling=GREEDY, cache_prompt=False)
    assert await cold.text() == text


async def test_other_weights_in_a_later_part_are_another_model(
    chats: Chats, small_path: Path, tmp_path: Path
) -> None:
    first, last = split_model(small_path, tmp_path, 2)
    engine = await chats.start(first)
    await answer(engine, COUNT)
    engine = await chats.start(first)
    _, done = await answer(engine, COUNT)
    assert done.restored_tokens > 0
    await engine.unload()
    weights = bytearray(last.read_bytes())
    middle = len(weights) // 2
    weights[middle : middle + 10_000] = weights[middle + 4 : middle + 10_004]  # whole numbers
    last.write_bytes(weights)
    engine = await chats.start(first)
    _, done = await answer(engine, COUNT)
    assert done.restored_tokens == 0
