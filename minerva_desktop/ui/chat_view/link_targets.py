"""Where links lead, and whether a person should be asked before one is opened. No Qt here."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

_MAIL_FIELDS = frozenset({"", "to", "cc", "bcc", "subject", "body"})

OPENED_SCHEMES = frozenset({"http", "https", "mailto"})

# Text that looks like an address: with a scheme, with www, or a name with a usual ending.
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s/?#]+|"
    r"(?<![\w@.])(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|dev|app|ai|info|co|eu|uk|de|fr|ch|at|us)"
    r"(?![\w.-])",
    re.IGNORECASE,
)


def host_of(address: str) -> str:
    """The host that ``address`` leads to, in lower case, as the network knows it; for mail, the one
    after the @. Empty where there is none."""
    if address.lower().startswith("mailto:"):
        host = address[7:].split("?", maxsplit=1)[0].rpartition("@")[2]
    else:
        try:
            host = urlsplit(address).hostname or ""
        except ValueError:
            return ""
    try:
        return host.lower().encode("idna").decode("ascii") if host else ""
    except UnicodeError:
        return host.lower()


def doubt_about(text: str, target: str) -> str:
    """Why a person should look twice at a link that is called ``text``: a sentence, or empty."""
    host = host_of(target)
    wanted = _mail_extras(target)
    if wanted:  # some mail programs attach the file that it names
        return f"It tells your mail program more than what to write and to whom: {wanted}."
    if urlsplit_user(target):
        return f"What stands before the @ in it is not where it leads: that is {host}."
    named = _ADDRESS.search(text)
    if named is not None:
        address = named[0] if "://" in named[0] else f"https://{named[0]}"
        claimed = host_of(address)
        if claimed and _bare(claimed) != _bare(host):
            return f"Its text says {claimed}, but it leads to {host}."
    if any(part.startswith("xn--") for part in host.split(".")):
        return f"Its address has letters that can look like others: {host}."
    return ""


def urlsplit_user(target: str) -> str:
    """The user that an address of the web names, if any."""
    if target.lower().startswith("mailto:"):
        return ""
    try:
        return urlsplit(target).username or ""
    except ValueError:
        return ""


def _mail_extras(target: str) -> str:
    """The names of the fields of a mail, but for those that any link to mail may fill in."""
    scheme, _, rest = target.partition(":")
    if scheme.lower() != "mailto":
        return ""
    try:
        fields = parse_qsl(rest.partition("?")[2], keep_blank_values=True)
    except ValueError:
        return "?"
    names = dict.fromkeys(name.strip().lower() for name, _ in fields)
    return ", ".join(name[:40] for name in names if name not in _MAIL_FIELDS)


def _bare(host: str) -> str:
    return host.removeprefix("www.")
