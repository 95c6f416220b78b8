"""`minerva serve` as a process of its own, with the embedded model, as a person starts it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.api_keys import KeyFile
from minerva_desktop.library.catalog import find_embedded_model
from minerva_desktop.paths import app_paths
from minerva_desktop.server.network_addresses import network_urls
from minerva_desktop.settings import Settings, SettingsFile
from tests.commands.served import MODEL, serve

KEY = "sk-canary-0123456789"
CHAT = "/v1/chat/completions"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def chat(*, max_tokens: int, stream: bool = False) -> dict[str, object]:
    """A request that is answered with about ``max_tokens`` tokens."""
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Count from one to one thousand."}],
        "max_tokens": max_tokens,
        "stream": stream,
        "temperature": 0,
    }


async def test_options_reach_the_model_and_the_guards() -> None:
    options = ["--n-ctx", "512", "--parallel", "2", "--allow-origin", "https://app.example"]
    options += ["--allow-host", "chat.example"]
    async with serve("--model", MODEL, *options) as served:
        assert (await served.http.get("/health")).json()["loaded"] == [MODEL]
        (loaded,) = served.told
        assert re.fullmatch(
            rf"Loaded {MODEL} in \d+\.\d s: context of 512 tokens, \d+\.\d MB", loaded
        )
        assert served.network == []
        assert (
            await served.http.get("/v1/models", headers={"Host": "chat.example"})
        ).status_code == 200
        preflight = await served.http.options(
            CHAT,
            headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
        )
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        body = chat(max_tokens=4)
        body["messages"] = [{"role": "user", "content": "word " * 1000}]
        answer = await served.http.post(CHAT, json=body)
        assert answer.status_code == 400
        assert "512" in answer.json()["error"]["message"]
        served.process.send_signal(signal.SIGTERM)
        assert await served.said() == ""
        assert await served.process.wait() == 0


async def test_the_settings_say_who_may_call_where_no_flag_does() -> None:
    """Other machines are then told where it is."""
    app_paths().create()
    SettingsFile(app_paths().settings).save(
        Settings(
            server_network=True,
            server_origins=("https://kept.example",),
            server_hosts=("chat.example",),
        )
    )
    flags = ("--allow-origin", "https://flag.example")
    async with serve(*flags, MINERVA_API_KEY=KEY) as served:

        async def status(**headers: str) -> int:
            headers["x-api-key"] = KEY
            return (await served.http.get("/v1/models", headers=headers)).status_code

        assert await status(origin="https://flag.example", host="chat.example") == 200
        assert await status(origin="https://kept.example") == 403
        port = served.url.rpartition(":")[2]
        assert served.url == f"http://127.0.0.1:{port}"
        assert served.network == [f"{url}/v1" for url in network_urls("0.0.0.0", int(port))]
        for url in served.network:
            answer = await served.http.get(f"{url}/models", headers={"x-api-key": KEY})
            assert answer.status_code == 200


async def test_a_file_that_it_was_started_with_can_be_asked(tmp_path: Path) -> None:
    model = find_embedded_model()
    assert model is not None
    copy = tmp_path / "elsewhere.gguf"
    copy.write_bytes(model.read_bytes())
    async with serve("--model", str(copy), "--n-ctx", "512") as served:
        listed = (await served.http.get("/v1/models")).json()["data"]
        assert "elsewhere" in [each["id"] for each in listed]
        body = {"model": "elsewhere", "messages": [{"role": "user", "content": "Hi"}]}
        answer = await served.http.post(CHAT, json={**body, "max_tokens": 2})
        assert answer.status_code == 200
        assert answer.json()["model"] == "elsewhere"


async def test_a_running_answer_may_end_after_the_signal() -> None:
    async with serve("--model", MODEL) as served:
        request = served.http.stream("POST", CHAT, json=chat(max_tokens=40, stream=True))
        async with request as answer:
            pieces = answer.aiter_text()
            text = await anext(pieces)
            served.process.send_signal(signal.SIGTERM)
            async for piece in pieces:
                text += piece
        assert text.endswith("data: [DONE]\n\n")
        assert await served.process.wait() == 0


async def test_a_second_signal_ends_it_at_once() -> None:
    async with serve("--model", MODEL) as served:
        body = chat(max_tokens=2000, stream=True)
        body["messages"] = [{"role": "user", "content": "Tell a very long story."}]
        async with served.http.stream("POST", CHAT, json=body) as answer:
            pieces = answer.aiter_text()
            text = await anext(pieces)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            served.process.send_signal(signal.SIGINT)
            # The listener closes with the first signal: the second comes when that is done.
            await _refused(served.url)
            served.process.send_signal(signal.SIGINT)
            async for piece in pieces:
                text += piece
        assert await served.process.wait() == 0
        assert loop.time() - begun < 8
    error = json.loads(text.split("data: ")[-1])["error"]
    assert error["code"] == "endpoint_stopped"


async def _refused(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it waited to be accepted when the listener closed


async def test_keys_of_all_kinds_open_and_none_of_them_is_seen(
    tmp_path: Path, minerva_home: Path
) -> None:
    (minerva_home / "config").mkdir(parents=True)
    file = KeyFile(minerva_home / "config" / "api-keys.json")
    _, stored = file.create("stored")
    in_file = tmp_path / "key"
    in_file.write_text(f"{KEY}-file\n")
    async with serve(
        "--api-key-file", str(in_file), "--model", MODEL, MINERVA_API_KEY=f"{KEY}-environment"
    ) as served:

        async def status(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return (await served.http.get("/v1/models", headers=headers)).status_code

        assert (await served.http.get("/v1/models")).status_code == 401
        for key in (f"{KEY}-file", f"{KEY}-environment", stored):
            assert await status(key) == 200
        assert await status(KEY) == 401
        for child in _children(served.process.pid):
            assert KEY.encode() not in Path(f"/proc/{child}/environ").read_bytes()
        _, later = file.create("later")
        file.revoke("stored")
        async with asyncio.timeout(10):
            while await status(later) != 200 or await status(stored) != 401:
                await asyncio.sleep(0.1)
        served.process.send_signal(signal.SIGTERM)
        said = await served.said()
    log = (minerva_home / "logs" / "minerva.log").read_text()
    assert 'key="stored"' in log
    assert 'key="MINERVA_API_KEY"' in log
    for text in (said, log):
        assert KEY not in text
        assert stored not in text


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_what_is_named_does_not_go_beyond_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = find_embedded_model()
    assert model is not None
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(model.read_bytes())
    asked = ("serve", "--port", "0", "--model", MODEL, "--n-ctx", "1024", "--memory-gb", "0.25")
    assert main([*asked, "--model", str(copy)]) == 1
    said = capsys.readouterr().err.splitlines()
    first = next(line for line in said if line.startswith("minerva: "))
    assert first.startswith("minerva: copy.gguf: Memory exceeded: ")
    assert first.endswith(" of the 250.0 MB that models may take")
    assert said[-2].startswith("With --memory-gb 0.")
    assert said[-1] == "--force loads it all the same."


async def test_what_is_forced_is_loaded_and_told(embedding_model: Path) -> None:
    models = ("--model", MODEL, "--model", str(embedding_model))
    async with serve(*models, "--n-ctx", "20000", "--memory-gb", "0.25", "--force") as served:
        loaded = (await served.http.get("/health")).json()["loaded"]
        assert set(loaded) == {MODEL, embedding_model.stem}
        served.process.send_signal(signal.SIGTERM)
        assert await served.process.wait() == 0
    told = "\n".join(served.told)
    assert f"{MODEL}: it takes " in told
    assert f"{MODEL}: context of 20,224 tokens: the model was trained for 8,192" in told
    assert f"{embedding_model.stem}: context of 512 tokens instead of 20,000" in told


WRONG = [
    ("--port", "x"),
    ("--port", "70000"),
    ("--host", ""),
    ("--host", "0.0.0.0"),
    ("--parallel", "0"),
    ("--parallel", "1000"),
    ("--n-ctx", "-1"),
    ("--max-queue", "0"),
    ("--memory-gb", "-1"),
    ("--memory-gb", "nan"),
    ("--memory-gb", "much"),
    ("--force",),
    ("--timeout", "-1"),
    ("--timeout", "nan"),
    ("--queue-timeout", "-1"),
    ("--queue-timeout", "1e9"),
    ("--first-token-timeout", "nan"),
    ("--first-token-timeout", "1e9"),
    ("--idle-seconds", "-1"),
    ("--idle-seconds", "inf"),
    ("--allow-origin", "*"),
    ("--allow-host", "https://chat.example"),
    ("--allow-origin", "https://app.example/"),
    ("--api-key", ""),
    ("--api-key", "naïve"),
    ("--api-key-file", "/nothing/here"),
    ("--api-key", "a", "--api-key-file", "b"),
    ("--unknown",),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", *arguments])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.err.startswith("minerva: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "0x"), "argument --port: “0x” is no whole number\n"),
        (("--host", "300.1.1.1"), "Cannot listen on 300.1.1.1: "),
        (("--host", "203.0.113.7"), "203.0.113.7 is no address of this machine\n"),
        (("--host", "0.0.0.0"), "Listening on 0.0.0.0 lets other machines in, so it needs an API"),
    ],
)
def test_an_address_is_checked_before_a_key_is_asked_for(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"minerva: {said}")


def test_a_key_file_that_is_none_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_text = tmp_path / "key"
    no_text.write_bytes(b"\xff\xfe")
    for path, said in (
        (tmp_path / "no", f"No API key can be read from {tmp_path / 'no'}: it is not there"),
        (tmp_path, f"No API key can be read from {tmp_path}: it is a folder"),
        (no_text, f"{no_text} holds more than an API key: it is no ASCII text"),
    ):
        with pytest.raises(SystemExit):
            main(["serve", "--port", "0", "--api-key-file", str(path)])
        assert capsys.readouterr().err == f"minerva: {said}\n"


def test_a_key_that_is_none_is_told_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "key"
    empty.write_text("\n")
    hint = ": `minerva keys create NAME` makes one\n"
    for variable, arguments, said in (
        ("", (), f"MINERVA_API_KEY: it is empty{hint}"),
        (None, ("--api-key-file", str(empty)), f"--api-key-file: it is empty{hint}"),
        (None, ("--api-key", "a b"), "--api-key: The API key must be printable ASCII characters"),
    ):
        if variable is not None:
            monkeypatch.setenv("MINERVA_API_KEY", variable)
        with pytest.raises(SystemExit):
            main(["serve", "--port", "0", *arguments])
        assert capsys.readouterr().err.startswith(f"minerva: {said}")


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--model", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("minerva: There is no model “nothing”")


def test_a_key_file_that_cannot_be_read_opens_nothing(
    minerva_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (minerva_home / "config").mkdir(parents=True)
    (minerva_home / "config" / "api-keys.json").write_bytes(b"{")
    assert main(["serve", "--port", "0"]) == 1
    assert "API keys" in capsys.readouterr().err
