"""``minerva keys``: the API keys of the endpoint. A running endpoint follows within seconds."""

from __future__ import annotations

import argparse
import datetime
import sys

import msgspec

from minerva_desktop.api_keys import KeyFile, StoredKey
from minerva_desktop.app.terminal_output import print_line
from minerva_desktop.commands.folders import ready_paths
from minerva_desktop.commands.parser import CommandParser
from minerva_desktop.errors import StoreError, os_reason
from minerva_desktop.logs import start_logging, terminal_line


class ShownKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key for ``--json``. ``created``: Unix time in seconds; ``key`` only when it is new."""

    name: str
    ends_with: str
    created: int
    key: str = ""

    @classmethod
    def of(cls, stored: StoredKey, key: str = "") -> ShownKey:
        """What is shown of a stored one."""
        return cls(stored.name, stored.ends_with, stored.created, key)


def keys(arguments: list[str]) -> int:
    """Run the command; the exit code. Raises `InvalidRequest` and `StoreError`."""
    given = argument_parser().parse_args(arguments)
    start_logging(None)
    file = KeyFile(ready_paths().api_keys)
    match given.command:
        case "list":
            _list(file, as_json=given.json)
        case "create":
            _create(file, given.name, as_json=given.json)
        case "revoke":
            file.revoke(given.name)
            last = "" if file.stored_keys() else _LAST_KEY
            _say(f"The API key “{given.name}” opens no longer.{last}", as_json=given.json)
    return 0


_LAST_KEY = (
    " It was the last: an endpoint that runs now lets nobody in until it is started again, and"
    " then asks for none on this machine."
)


def argument_parser() -> argparse.ArgumentParser:
    """What the command takes, with its help."""
    parser = CommandParser(prog="minerva keys", description="API keys of the HTTP endpoint.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all keys: their names, last characters and ages")
    create = commands.add_parser("create", help="make a key, which is shown this once")
    create.add_argument("name", help="whose it is, for the log and for revoking it")
    revoke = commands.add_parser("revoke", help="a key of that name opens no longer")
    revoke.add_argument("name", help="whose it is, as list tells")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="for scripts")
    return parser


def _list(file: KeyFile, *, as_json: bool) -> None:
    stored = file.stored_keys()
    if as_json:
        print(msgspec.json.encode([ShownKey.of(key) for key in stored]).decode())
        return
    if not stored:
        _say("There are no API keys: on this machine, the endpoint asks for none.", as_json=False)
    width = max((len(key.name) for key in stored), default=0)
    for key in stored:
        made = datetime.datetime.fromtimestamp(key.created).astimezone()
        print_line(f"{key.name:{width}}  …{key.ends_with}  {made:%Y-%m-%d %H:%M}")


def _create(file: KeyFile, name: str, *, as_json: bool) -> None:
    stored, key = file.create(name)
    try:
        print(
            msgspec.json.encode(ShownKey.of(stored, key)).decode() if as_json else key, flush=True
        )
    except OSError as error:
        file.revoke(stored.name)
        raise StoreError(
            f"The new API key could not be shown, and so was not kept: {os_reason(error)}"
        ) from error
    _say("Keep it now: it cannot be shown again.", as_json=as_json)


def _say(sentence: str, *, as_json: bool) -> None:
    """To the person, not into a pipe."""
    if not as_json:
        print(terminal_line(sentence), file=sys.stderr)
