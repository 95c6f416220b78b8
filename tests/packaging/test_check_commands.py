"""What a release is checked with on each system, run on the app here and on broken ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from check_commands import check_commands
from environment import SetupError

ROOT = Path(__file__).resolve().parents[2]
ENTRY = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r});"
    "from minerva_desktop.__main__ import main; sys.exit(main())"
)


def test_the_app_passes() -> None:
    check_commands((sys.executable, "-c", ENTRY))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("print('?')", "--version says"),
        ("sys.exit(3)", "--version ended with 3"),
        ("print('Minerva Desktop 1' if '--version' in sys.argv else '[]')", "there is no model"),
    ],
)
def test_an_app_that_is_broken_does_not(broken: str, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        check_commands((sys.executable, "-c", f"import sys; {broken}"))


def test_an_endpoint_that_ends_at_once_is_told() -> None:
    said = {"--version": "Minerva Desktop 1", "models": '[{"id": "m"}]', "chat": "Red."}
    code = (
        "import sys; is_odd = 'no such model' in sys.argv;"
        "sys.exit('gone') if sys.argv[1] == 'serve' else None;"
        "is_odd and (print('minerva: no such model', file=sys.stderr) or sys.exit(2));"
        f"print({said!r}[sys.argv[1]])"
    )
    with pytest.raises(SetupError, match="serve ended: gone"):
        check_commands((sys.executable, "-c", code))
