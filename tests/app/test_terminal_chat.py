"""`minerva chat` and `minerva serve`, as processes where it is about how they begin and end.

What they say of their arguments and of a load comes from the test's own process: half a second less
each time. Where it does not matter what is answered, a small model answers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from minerva_desktop.__main__ import main
from tests.patience import SECONDS

MINERVA = [sys.executable, "-m", "minerva_desktop"]
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
STORY = "Tell a very long story."


def _start(*arguments: str, stdin: str = "") -> Done:
    return subprocess.run(
        [*MINERVA, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in the test's own process."""

    def run(*arguments: str) -> Done:
        try:
            code = main(arguments)
        except SystemExit as end:  # of argparse
            code = end.code if isinstance(end.code, int) else 1
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run


def test_a_prompt_is_answered_on_stdout_and_nothing_else_is(run: Run, model_path: Path) -> None:
    """By the model that is there, whether it is named by its name or its file, or not at all."""
    asked = ("--prompt", "Name a colour.", "--max-tokens", "4", "--seed", "1")
    done = [_start("chat", *asked)]
    done += [run("chat", model, *asked) for model in (model_path.stem, str(model_path))]
    assert [(run.returncode, run.stderr) for run in done] == [(0, "")] * 3
    assert done[0].stdout.strip()
    assert done[0].stdout == done[1].stdout == done[2].stdout


def test_a_conversation_goes_line_by_line_and_remembers(small_path: Path) -> None:
    asked = ("chat", str(small_path), "--max-tokens", "8", "--seed", "1")
    done = _start(*asked, stdin="Hello\n\nAnd you?\n")
    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if line]) >= 2
    assert done.stderr == ""  # nobody sits there to press keys


def test_positions_are_as_the_arguments_say(run: Run, small_path: Path) -> None:
    asked = ("chat", str(small_path), "--prompt", STORY, "--max-tokens", "12", "--temperature", "0")
    stretched = ("--rope-scaling", "linear", "--rope-scale", "4")
    plain, scaled, same, other = (
        run(*asked, *more)
        for more in ((), stretched, ("--rope-freq-scale", "0.25"), ("--rope-freq-base", "100"))
    )
    assert [done.returncode for done in (plain, scaled, same, other)] == [0] * 4
    assert scaled.stdout == same.stdout
    assert len({plain.stdout, scaled.stdout, other.stdout}) == 3
    refused = run(*asked, "--yarn-beta-fast", "9")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "minerva: argument --yarn-beta-fast: YaRN's fast beta would have no effect: RoPE scaling is"
        " not “yarn”\n"
    )


def test_an_engine_that_dies_of_a_file_is_told_in_few_lines(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    """They were up to 200, and the reason stood above them, out of sight."""
    hostile = tmp_path / "hostile.gguf"
    # A token that is there twice: llama.cpp asserts that there is none.
    the, one = (struct.pack("<Q", len(text)) + text for text in ("Ġthe".encode(), "Ġand".encode()))
    hostile.write_bytes(model_path.read_bytes().replace(one, the, 1))
    done = run("chat", str(hostile), "--prompt", "Hi")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert (done.returncode, done.stdout) == (1, "")
    assert lines[0].startswith(
        "minerva: The engine that ran hostile.gguf stopped (signal 6, SIGABRT"
    )
    assert re.fullmatch(r"Its last 10 lines, without the \d+ before them:", lines[1])
    assert len(lines) == 12


def test_half_a_character_at_the_limit_is_left_out(run: Run) -> None:
    """Its bytes are spread over several tokens, of which the limit lets one through."""
    asked = ("--prompt", "Write 🫠🫠🫠🫠", "--temperature", "0")
    cut, whole = (run("chat", *asked, "--max-tokens", n).stdout for n in ("1", "12"))
    assert cut == "\n"
    assert whole.strip()
    assert "\ufffd" not in whole


def test_a_reader_that_goes_away_ends_the_answer_quietly(small_path: Path) -> None:
    asked = ("--prompt", "Count to fifty.", "--max-tokens", "200")
    command = [*MINERVA, "chat", str(small_path), *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as chat:
        assert chat.stdout is not None
        assert chat.stderr is not None
        assert chat.stdout.read(1)
        chat.stdout.close()
        assert chat.stderr.read() == b""
        assert chat.wait(SECONDS) == 1


def test_what_had_to_give_is_told_in_notes(run: Run) -> None:
    done = run("chat", "--prompt", "Hi", "--max-tokens", "2", "--memory-gb", "0.3")
    assert (done.returncode, bool(done.stdout.strip())) == (0, True)
    assert done.stderr.startswith("note: KV cache in q8_0: as wished it would take ")


def test_a_model_that_does_not_fit_is_loaded_by_force_alone(run: Run, minerva_home: Path) -> None:
    settings = minerva_home / "config" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"memory_gb": 0.25}))
    asked = ("chat", "--prompt", "Hi", "--max-tokens", "2", "--n-ctx", "20000")
    refused = run(*asked)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("minerva: SmolLM2-135M-Instruct.Q4_1.gguf: Memory exceeded: ")
    assert refused.stderr.endswith("--force loads it all the same.\n")
    assert "A context of up to " in refused.stderr
    forced = run(*asked, "--force")
    assert (forced.returncode, bool(forced.stdout.strip())) == (0, True)
    notes = forced.stderr.splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert "it takes " in notes[0]
    assert "context of 20,224 tokens: the model was trained for 8,192" in notes[-1]


def test_errors_are_one_sentence_and_an_exit_code(
    run: Run, tmp_path: Path, embedding_model: Path
) -> None:
    bad = tmp_path / "notes.gguf"
    bad.write_bytes(b"just notes")
    for arguments, code, said in (
        (["--model", "smollm2"], 2, "Did you mean SmolLM2-135M-Instruct"),
        ([str(bad)], 1, "not a GGUF file"),
        (["--prompt", "word " * 1200, "--n-ctx", "256"], 1, "max 256, required 1,2"),
        ([str(embedding_model), "--n-ctx", "9999"], 2, "minerva: This model only makes embeddings"),
    ):
        done = run("chat", "--prompt", "x", *arguments)
        assert done.returncode == code
        assert done.stderr.count("\n") == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_wrong_arguments_are_exit_code_2(run: Run) -> None:
    assert _start("chat", "--max-tokens", "0", "--prompt", "x").returncode == 2
    for wrong, said in (
        (
            ("--max-tokens", "0"),
            "argument --max-tokens: “0” is no whole number from 1 on, nor -1 for no limit",
        ),
        (("--seed", "0x"), "argument --seed: “0x” is no whole number"),
        (("--temperature", "warm"), "argument --temperature: “warm” is no number"),
        (("--temperature", "nan"), "temperature must be between 0.0 and 5.0, not nan"),
        (
            ("--n-ctx", "99999999"),
            (
                "argument --n-ctx: The context size in tokens must be between 16 and 16,777,216,"
                " not 99,999,999"
            ),
        ),
        (
            ("--rope-freq-base", "0.5"),
            (
                "argument --rope-freq-base: The base frequency of RoPE must be between 1 and"
                " 10,000,000,000, not 0.5"
            ),
        ),
        (("--rope-scale", "0"), "argument --rope-scale: it must be between 0.01 and 10,000, not 0"),
        (("a", "--model", "b"), "one model answers: name it once"),
    ):
        refused = run("chat", *wrong, "--prompt", "x")
        assert (refused.returncode, refused.stderr) == (2, f"minerva: {said}\n")
    empty = run("chat", "--prompt", " ")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert empty.stderr == "minerva: argument --prompt: it is empty; there is nothing to answer\n"
    nobodys = run("serve", "--rope-scale", "2")
    assert "argument --rope-scale: it goes with --model" in nobodys.stderr
    open_to_all = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert open_to_all.returncode == 2
    assert open_to_all.stderr.endswith(
        "so it needs an API key: `minerva keys create NAME` makes one\n"
    )
    assert "usage: minerva" in _start("--help").stdout


def test_ctrl_c_ends_an_answer(small_path: Path) -> None:
    process = subprocess.Popen(
        [*MINERVA, "chat", str(small_path), "--prompt", STORY, "--seed", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=SECONDS) == 130
    assert rest.endswith("\n")


def test_ctrl_c_ends_all_that_comes_from_a_pipe(small_path: Path) -> None:
    """Else each of its lines wanted one of its own."""
    with subprocess.Popen(
        [*MINERVA, "chat", str(small_path), "--seed", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write(f"{STORY}\n" * 3)
        chat.stdin.flush()
        assert chat.stdout.read(5)
        chat.send_signal(signal.SIGINT)
        assert chat.stdout.read().count("\n") >= 1
        assert chat.wait(timeout=SECONDS) == 130


def test_sigterm_ends_an_answer_its_line_and_its_engine(small_path: Path) -> None:
    command = [*MINERVA, "chat", str(small_path), "--prompt", STORY, "--seed", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as chat:
        assert chat.stdout is not None
        assert chat.stderr is not None
        assert chat.stdout.read(5)
        (engine,) = psutil.Process(chat.pid).children()
        chat.send_signal(signal.SIGTERM)
        assert chat.stdout.read().endswith("\n")
        assert chat.stderr.read() == ""
        assert chat.wait(timeout=SECONDS) == 128 + signal.SIGTERM
        assert not engine.is_running()


def test_the_death_of_the_engine_is_told_once_and_the_chat_goes_on(small_path: Path) -> None:
    with subprocess.Popen(
        [*MINERVA, "chat", str(small_path), "--seed", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write(f"{STORY}\n")
        chat.stdin.flush()
        assert chat.stdout.read(5)
        (engine,) = psutil.Process(chat.pid).children()
        engine.kill()
        said = chat.communicate("", timeout=SECONDS)[1]
        assert chat.returncode == 1
    assert said.startswith("minerva: The engine that ran ")
    assert "(signal 9, SIGKILL)" in said
    assert said.count("\n") == 1


def test_sigterm_ends_a_conversation_that_waits_for_its_next_line(small_path: Path) -> None:
    with subprocess.Popen(
        [*MINERVA, "chat", str(small_path), "--max-tokens", "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        assert chat.stderr is not None
        chat.stdin.write("Hello\n")
        chat.stdin.flush()
        assert chat.stdout.readline()
        chat.send_signal(signal.SIGTERM)
        assert chat.wait(timeout=SECONDS) == 128 + signal.SIGTERM
        assert chat.stderr.read() == ""


def test_serve_answers_until_it_is_told_to_stop_also_when_nobody_listens_to_it() -> None:
    process = subprocess.Popen(
        [*MINERVA, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    url = next(word for word in line.split() if word.startswith("http"))
    process.stderr.close()  # what it has to say of the load finds nobody
    ask = urllib.request.Request(
        f"{url.removesuffix('/v1')}/tokenize", json.dumps({"content": "Hi"}).encode()
    )
    ask.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(ask) as response:
        assert json.load(response)["tokens"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=SECONDS) == 0
