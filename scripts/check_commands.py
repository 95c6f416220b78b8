"""`python3 scripts/check_commands.py COMMAND …`: uses an installed app as people and clients do.

COMMAND is how it is started: `minerva`, or a path. Asks its version and its models, has it answer a
prompt and a client over HTTP, and sees that what fails says why. Needs Python alone, on any system;
its folders are those that `MINERVA_HOME` names. The exit code is 1 where something is wrong.
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SECONDS = 180.0  # for a command: a slow machine with a cold disk loads a model within these
SERVING = re.compile(r"Minerva serves its models at (http://\S+/v1)")
PROMPT = "Name a colour."


def check_commands(command: Sequence[str]) -> None:
    """Run all of it. Raises `SetupError` with what was not as it should be."""
    version = _run(command, "--version")
    _expect(version.stdout.startswith("Minerva Desktop "), "--version says", version.stdout)
    models = json.loads(_run(command, "models", "list", "--json").stdout)
    _expect(bool(models), "there is no model:", models)
    asked = ("chat", "--prompt", PROMPT, "--max-tokens", "12", "--seed", "1")
    answer = _run(command, *asked)
    _expect(bool(answer.stdout.strip()), "no answer in the terminal:", answer.stderr)
    failed = _run(command, "chat", "no such model", code=2)
    said = failed.stderr.startswith("minerva: ") and "Traceback" not in failed.stderr
    _expect(said, "a failed command says", failed.stderr)
    with _serving(command) as url:
        first, second = (_ask(url, models[0]["id"]) for _ in range(2))
        _expect(bool(first), "no answer over HTTP:", first)
        _expect(first == second, "the same request has two answers:", (first, second))


def _run(
    command: Sequence[str], *arguments: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*command, *arguments], env=_variables(), stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", errors="replace", timeout=SECONDS, check=False,
    )  # fmt: skip
    what = f"{' '.join(arguments)} ended with {done.returncode}:"
    _expect(done.returncode == code, what, done.stdout + done.stderr)
    return done


def _variables() -> dict[str, str]:
    """As on a machine without Python: nothing of this one's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[str]:
    """The address of an endpoint, which ends with the block."""
    with subprocess.Popen(
        [*command, "serve", "--port", "0"], env=_variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        too_late = threading.Timer(SECONDS, process.kill)
        too_late.start()
        try:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if SERVING.search(line):
                    break
            found = SERVING.search("".join(lines[-1:]))
            if found is None:
                raise environment.SetupError(f"serve ended: {''.join(lines)}")
            yield found[1]
        finally:
            too_late.cancel()
            process.terminate()


def _ask(url: str, model: str) -> str:
    body = {
        "model": model, "max_tokens": 8, "temperature": 0,
        "messages": [{"role": "user", "content": PROMPT}],
    }  # fmt: skip
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    # No proxy: it is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as answer:
        told = json.load(answer)
    return str(told["choices"][0]["message"]["content"])


def _expect(is_so: bool, words: str, seen: object) -> None:
    if not is_so:
        raise environment.SetupError(f"{words} {seen}")


def main(arguments: Sequence[str]) -> int:
    """Check the command that is given; the exit code."""
    if not arguments:
        print(__doc__)
        return 2
    try:
        check_commands(arguments)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    environment.say("The commands do what they should")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
