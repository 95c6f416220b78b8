"""The `format` keyword: what stands between the quotes, as GBNF. Pure.

Every text that these make is valid, not the other way round: URIs are those of the web, names of
hosts are ASCII. So a model cannot write what a strict reader refuses.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec


class Format(msgspec.Struct, frozen=True):
    """``body`` is the GBNF; its texts have ``shortest`` to ``longest`` characters (None: no
    bound)."""

    body: str
    shortest: int
    longest: int | None


_NOT_00 = '("0" [1-9] | [1-9] [0-9])'
_FOURTH = '("0" [48] | [2468] [048] | [13579] [26])'  # what 4 divides, but for 00
_DATE = (
    f'(([0-9] [0-9] {_NOT_00} | {_NOT_00} "00") "-" ('
    '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | '
    '("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | '
    '"02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
    f' | ([0-9] [0-9] {_FOURTH} | {_FOURTH} "00") "-02-29")'
)
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{1,6}})? ("Z" | [-+] {_CLOCK})'
_COUNT = "[0-9]{1,4}"
_HOURS = f'{_COUNT} ("H" ({_COUNT} "M" ({_COUNT} "S")?)? | "M" ({_COUNT} "S")? | "S")'
_MONTHS = f'"M" ({_COUNT} "D")?'
_DURATION = (
    f'"P" ({_COUNT} ("W" | ("D" | {_MONTHS} | "Y" ({_COUNT} {_MONTHS})?) ("T" {_HOURS})?)'
    f' | "T" {_HOURS})'
)

_UUID_HEAD = '[0-9a-f]{8} "-" [0-9a-f]{4} "-"'
_UUID_TAIL = '"-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}'
_UUID = f'{_UUID_HEAD} [0-9a-f]{{4}} "-" [0-9a-f]{{4}} "-" [0-9a-f]{{12}}'

_BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])'
_IPV4 = f'{_BYTE} "." {_BYTE} "." {_BYTE} "." {_BYTE}'
_GROUP = "[0-9a-f]{1,4}"

# Each dot or hyphen counts with the character behind it, so that nothing is longer than a name may
# be: 63 characters of the local part, 49 or 55 of a label.
_MORE = '("-"? [A-Za-z0-9])'
_LABEL = f"[A-Za-z0-9] {_MORE}{{0,27}}"
_DOMAIN = f'({_LABEL} "."){{1,3}} [A-Za-z]{{2,14}}'
_ATOM = "[!#-'*+/-9=?A-Z^-~-]"
_EMAIL = f'{_ATOM} ("."? {_ATOM}){{0,31}} "@" {_DOMAIN}'
_HOSTNAME = f'[A-Za-z0-9] {_MORE}{{0,24}} ("." [A-Za-z0-9] {_MORE}{{0,24}}){{0,4}}'
# What ends in a number would be taken for an address.
_HOST = f'(({_LABEL} "."){{0,3}} [A-Za-z] {_MORE}{{0,27}} | {_IPV4})'
_PORT = "([1-5] [0-9]{0,4} | [6-9] [0-9]{0,3})"
# In as few ranges as there are: each repetition of a letter is so many of llama.cpp's elements.
_PATH_LETTER = '([!$&(-;=@-Z_a-z~] | "%" [0-9A-F] [0-9A-F])'


def _letters(sixteens: int) -> str:
    """Up to 15 more than so many times sixteen, for which llama.cpp makes few rules."""
    return f"({_PATH_LETTER}{{16}}){{0,{sixteens}}} {_PATH_LETTER}{{0,15}}"


_URI = (
    f'"http" "s"? "://" {_HOST} (":" {_PORT})?'
    f' ("/" {_letters(18)})? ("?" {_letters(14)})? ("#" {_letters(3)})?'
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
        "duration": Format(_DURATION, 3, 32),
        "uuid": Format(_UUID, 36, 36),
        **{
            f"uuid{version}": Format(f'{_UUID_HEAD} "{version}" [0-9a-f]{{3}} {_UUID_TAIL}', 36, 36)
            for version in (1, 3, 4, 5, 6, 7, 8)
        },
        "ipv4": Format(_IPV4, 7, 15),
        "ipv6": Format(_ipv6(), 2, 39),
        "ipvanyaddress": Format(f"({_IPV4} | {_ipv6()})", 2, 39),
        "hostname": Format(_HOSTNAME, 1, 249),
        "email": Format(_EMAIL, 6, 246),
        "uri": Format(_URI, 8, 2083),
        "byte": Format(_base64("[A-Za-z0-9+/]"), 0, None),
        "base64": Format(_base64("[A-Za-z0-9+/]"), 0, None),
        "base64url": Format(_base64("[-A-Za-z0-9_]"), 0, None),
    }
)
