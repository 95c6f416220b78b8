"""What the set-up shows of a long build, and of a failure."""

import io
import sys
from pathlib import Path

import pytest

import build_progress
from build_progress import Outcome, Reporter, Step


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("DEBUG [57/197] /usr/bin/g++ -DGGML_SHARED -c x.cpp", Step(57, 197)),
        ("[1/3] Building CXX object", Step(1, 3)),
        ("DEBUG [ 42%] Building CXX object ggml.c.o", Step(42, 100)),
        ("DEBUG Adding direct dependency: jinja2>=3.1.6", None),
        ("note: see [57/197] above", None),
        ("", None),
    ],
)
def test_reads_build_steps(line: str, step: Step | None) -> None:
    assert build_progress.parse_step(line) == step


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (754, "12 min 34 s")]
)
def test_says_durations(seconds: float, text: str) -> None:
    assert build_progress.duration(seconds) == text


def test_shows_a_plain_line_now_and_then_where_there_is_no_terminal() -> None:
    out, clock = io.StringIO(), Clock()
    reporter = Reporter(out, clock)
    for done in range(1, 41):
        clock.now += 1
        reporter.line(f"DEBUG [{done}/40] /usr/bin/g++ -c {done}.cpp")
    reporter.finish(worked=True)
    assert out.getvalue().splitlines() == [
        "Building llama.cpp  15/40 (37 %)  14 s",
        "Building llama.cpp  30/40 (75 %)  29 s",
        "Built llama.cpp in 39 s",
    ]


def test_says_about_how_long_a_build_still_takes() -> None:
    out, clock = io.StringIO(), Clock()
    reporter = Reporter(out, clock)
    for done in range(11, 112):  # ten had been built before
        clock.now += 3
        reporter.line(f"DEBUG [{done}/120] /usr/bin/g++ -c {done}.cpp")
    lines = out.getvalue().splitlines()
    assert lines[1] == "Building llama.cpp  20/120 (16 %)  27 s"
    assert lines[2] == "Building llama.cpp  25/120 (20 %)  42 s  about 5 min left"
    assert lines[-1].endswith("less than a minute left")


def test_moves_one_line_on_a_terminal() -> None:
    out, clock = Terminal(), Clock()
    reporter = Reporter(out, clock)
    reporter.line("DEBUG [9/10] c++")
    clock.now += 65
    reporter.tick()
    reporter.line("Installed 1 package in 3ms")
    reporter.finish(worked=True)
    text = out.getvalue()
    assert text.endswith("Installed 1 package in 3ms\nBuilt llama.cpp in 1 min 5 s\n")
    assert text.count("\n") == 2
    assert "\rBuilding llama.cpp  9/10 (90 %)  1 min 5 s" in text


def test_a_failed_build_is_not_called_built() -> None:
    out = Terminal()
    reporter = Reporter(out, Clock())
    reporter.line("DEBUG [9/10] c++")
    reporter.finish(worked=False)
    assert "Built" not in out.getvalue()
    assert reporter.steps_seen


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("g++: fatal error: error writing to /tmp/x.s: No space left on device", "disk"),
        ("  cause: dns error: failed to lookup address information", "reached"),
        ("  cause: Hash mismatch for `hatchling==1.32.0`", "lock file"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "memory"),
        ("  CMAKE_CXX_COMPILER not set, after EnableLanguage", "compiler"),
        ("[Errno 30] Read-only file system: '.venv'", "written"),
    ],
)
def test_names_the_likely_cause(line: str, word: str) -> None:
    assert word in build_progress.diagnose(["DEBUG noise", line, "error: it failed"])


def test_has_no_cause_for_the_unknown() -> None:
    assert build_progress.diagnose(["error: it failed"]) == ""


def test_the_tail_leaves_debug_lines_out() -> None:
    lines = ["error: one", "DEBUG noise", "", "x" * 1000, "  cause: two"]
    assert build_progress.relevant_tail(lines, 2) == ["x" * 300, "  cause: two"]


def test_logs_all_output_and_gives_the_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "setup.log"
    code = "import sys; print('one'); print('två', file=sys.stderr); sys.exit(3)"
    command = [sys.executable, "-X", "utf8", "-u", "-c", code]
    outcome = build_progress.run_logged(command, tmp_path, log, Reporter(io.StringIO()))
    assert outcome == Outcome(3, ["one", "två"])
    assert log.read_text(encoding="utf-8").splitlines()[1:] == ["one", "två"]
