"""The `format` keyword: what stands between the quotes, as GBNF. Pure.

Every text that these make is valid, not the other way round: years have no 29 February, URIs are
those of the web, names of hosts are ASCII. So a model cannot write what a strict reader refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Format:
    """``body`` is the GBNF; its texts have ``shortest`` to ``longest`` characters (None: no
    bound)."""

    body: str
    shortest: int
    longest: int | None


_DATE = (
    '[0-9] [0-9] [0-9] [1-9] "-" ('
    '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | '
    '("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | '
    '"02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{1,6}})? ("Z" | [-+] {_CLOCK})'
_COUNT = "[0-9]{1,4}"
_HOURS = f'{_COUNT} ("H" ({_COUNT} "M" ({_COUNT} "S")?)? | "M" ({_COUNT} "S")? | "S")'
_DURATION = f'"P" ({_COUNT} ("W" | "D" ("T" {_HOURS})?) | "T" {_HOURS})'

_UUID_HEAD = '[0-9a-f]{8} "-" [0-9a-f]{4} "-"'
_UUID_TAIL = '"-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}'
_UUID = f'{_UUID_HEAD} [0-9a-f]{{4}} "-" [0-9a-f]{{4}} "-" [0-9a-f]{{12}}'

_BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])'
_IPV4 = f'{_BYTE} "." {_BYTE} "." {_BYTE} "." {_BYTE}'
_GROUP = "[0-9a-f]{1,4}"

_LABEL = '[a-z] [a-z0-9]{0,30} ("-" [a-z0-9]{1,15}){0,2}'
_DOMAIN = f'({_LABEL} "."){{1,3}} [a-z]{{2,10}}'
_ATOM = "[A-Za-z0-9] [-+_A-Za-z0-9]{0,18}"
_EMAIL = f'{_ATOM} ("." {_ATOM}){{0,2}} "@" {_DOMAIN}'
# In as few ranges as there are: each repetition of a letter is so many of llama.cpp's elements.
_PATH_LETTER = '([!$&(-;=@-Z_a-z~] | "%" [0-9A-F] [0-9A-F])'
_URI = (
    f'"http" "s"? "://" {_DOMAIN} (":" [1-9] [0-9]{{0,3}})?'
    f' ("/" {_PATH_LETTER}{{0,80}})? ("?" {_PATH_LETTER}{{0,40}})? ("#" {_PATH_LETTER}{{0,20}})?'
)


def _base64(letter: str) -> str:
    """Whole bytes, the unused bits before the padding being zero."""
    two, three = f'{letter} [AQgw] "=="', f'{letter} {letter} [AEIMQUYcgkosw048] "="'
    return f"({letter}{{4}})* ({two} | {three})?"


def _ipv6() -> str:
    """Eight groups, or fewer where ``::`` stands for those that are missing."""
    body = ""
    for n_before in range(7, -1, -1):
        n_behind = 7 - n_before
        behind = f'({_GROUP} (":" {_GROUP}){{0,{n_behind - 1}}})?' if n_behind > 1 else ""
        if n_behind == 1:
            behind = f"({_GROUP})?"
        if n_before:
            body = f'":" ({_GROUP} {body} | ":" {behind})'
        else:
            body = f'({_GROUP} {body} | "::" {behind})'
    return body


# Those of which not every text is one.
FORMATS = MappingProxyType(
    {
        "date": Format(_DATE, 10, 10),
        "time": Format(_TIME, 9, 21),
        "date-time": Format(f'{_DATE} "T" {_TIME}', 20, 32),
        "duration": Format(_DURATION, 3, 22),
        "uuid": Format(_UUID, 36, 36),
        **{
            f"uuid{version}": Format(f'{_UUID_HEAD} "{version}" [0-9a-f]{{3}} {_UUID_TAIL}', 36, 36)
            for version in (1, 3, 4, 5, 6, 7, 8)
        },
        "ipv4": Format(_IPV4, 7, 15),
        "ipv6": Format(_ipv6(), 2, 39),
        "ipvanyaddress": Format(_IPV4, 7, 15),
        "hostname": Format(f'{_LABEL} ("." {_LABEL}){{0,3}}', 1, 255),
        "email": Format(_EMAIL, 6, 263),
        "uri": Format(_URI, 11, 2083),
        "byte": Format(_base64("[A-Za-z0-9+/]"), 0, None),
        "base64": Format(_base64("[A-Za-z0-9+/]"), 0, None),
        "base64url": Format(_base64("[-A-Za-z0-9_]"), 0, None),
    }
)
