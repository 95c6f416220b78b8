"""Messages as rows of the database, and back.

Values become rows on the thread of the one who asks; functions that take a connection run on the
database's thread, in a transaction of `store.database`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import apsw
import msgspec

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.old_thoughts import OPENING, taken_apart
from minerva_desktop.chat.parts import Part
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import StoreError

logger = logging.getLogger(__name__)

Parsed = TypeVar("Parsed")
Known = TypeVar("Known", bound=StrEnum)
Row = tuple[Any, ...]

# Looked up for each message of a chat: calling the class takes five times as long.
_ROLES = MappingProxyType({role.value: role for role in Role})
_STATES = MappingProxyType({state.value: state for state in MessageState})

CREATED_AT = 4  # its place in a row
LAST_SECOND = 2.0**32
FIRST_CHARACTERS = 16  # of a text, in which the mark of an old thought is looked for

# What `message_of` makes a message of.
COLUMNS = """
    id, parent_id, role, created_at, text, state, model, completion, error, failure, parts,
    edited_at, sampling_id
"""
SELECT_SAMPLING = "SELECT parameters FROM samplings WHERE id = ?"
INSERT_SAMPLING = "INSERT OR IGNORE INTO samplings (parameters) VALUES (?)"
INSERT_MESSAGE = """
    INSERT INTO messages (id, conversation_id, parent_id, role, created_at,
        text, state, model, completion, error, failure, parts, edited_at, sampling_id, row, seq)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
        (SELECT id FROM samplings WHERE parameters = ?14), ?15,
        (SELECT coalesce(max(seq), 0) + 1 FROM messages WHERE conversation_id = ?2))
"""
UPDATE_MESSAGE = """
    UPDATE messages SET text = ?, state = ?, model = ?, completion = ?, error = ?, failure = ?,
        parts = ?, edited_at = ?, sampling_id = (SELECT id FROM samplings WHERE parameters = ?)
    WHERE id = ?
"""
# A reply that was deleted stays with what it replied to.
TAKE_REPLIES = "UPDATE messages SET parent_id = ? WHERE parent_id = ? AND deleted_at IS NULL"
# Places are taken one at a time by SQLite, and no two may be the same.
SET_ASIDE = """
    UPDATE messages SET seq = -seq
    WHERE conversation_id = ?1 AND seq > (SELECT seq FROM messages WHERE id = ?2)
"""
BRING_BACK = """
    UPDATE messages
    SET seq = iif(id = ?3, (SELECT seq + 1 FROM messages WHERE id = ?2), 1 - seq)
    WHERE conversation_id = ?1 AND seq < 0
"""
IS_TAKEN = "SELECT 1 FROM messages WHERE row = ?"
FLUSH_TEXT = """
    UPDATE messages SET text = ?, parts = ifnull(?, parts) WHERE id = ? AND state = 'streaming'
"""
MARK_INTERRUPTED = "UPDATE messages SET state = 'interrupted' WHERE state = 'streaming'"


# -- values to rows, on the caller's thread ----------------------------------------------------


def row_of(conversation_id: str, message: Message) -> Row:
    """The bindings of `INSERT_MESSAGE`."""
    return (
        message.id,
        conversation_id,
        message.parent_id,
        message.role.value,
        message.created_at,
        *content_of(message),
    )


def content_of(message: Message) -> Row:
    """What of a message changes; the last of it is what it was asked with."""
    return (
        clean_text(message.text),
        message.state.value,
        clean_or_none(message.model),
        None if message.completion is None else json_of(message.completion),
        clean_or_none(message.error),
        None if message.failure is None else json_of(message.failure),
        parts_of(message.parts),
        message.edited_at,
        None if message.sampling is None else sampling_json(message.sampling),
    )


def parts_of(parts: Sequence[Part]) -> str | None:
    """Parts as JSON; None for none."""
    return json_of(parts) if parts else None


def sampling_json(sampling: SamplingParameters) -> str:
    """All parameters, those that are at their defaults, too: defaults may change."""
    if -math.inf not in sampling.logit_bias.values():
        return json_of(sampling)
    # JSON has no infinity, and a banned token must not come back as an unreadable one.
    fields = msgspec.to_builtins(sampling)
    for token, bias in sampling.logit_bias.items():
        fields["logit_bias"][token] = "-inf" if bias == -math.inf else bias
    return json_of(fields)


def json_of(value: object) -> str:
    """JSON of a value of `chat`, of which any text may hold half characters."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_cleaned(msgspec.to_builtins(value))).decode()


def clean_or_none(text: str | None) -> str | None:
    """`clean_text`, also of nothing."""
    return None if text is None else clean_text(text)


def _cleaned(value: object) -> object:
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_cleaned(inner) for inner in value]
    return value


# -- on the database's thread ------------------------------------------------------------------


def insert(connection: apsw.Connection, rows: Iterable[Row]) -> None:
    """Add messages, each below one that is there or comes before it."""
    second = number = -1
    for row in rows:
        _share_sampling(connection, row[-1])
        at = _second(row[CREATED_AT])
        # Behind the message before, if it went past this second: mostly free, and in order.
        number = _free_row(connection, number + 1 if second <= at <= number else at)
        second = at
        connection.execute(INSERT_MESSAGE, (*row, number))


def update(connection: apsw.Connection, content: Row, message_id: str) -> None:
    """Give a message another content. Raises `StoreError` when it is not there."""
    _share_sampling(connection, content[-1])
    change_one(connection, UPDATE_MESSAGE, (*content, message_id))


def insert_version(connection: apsw.Connection, row: Row, other_id: str) -> None:
    """Add a message right behind its alternative ``other_id`` in the order of messages, which has
    the replies of that from now on."""
    insert(connection, [row])
    message_id, chat_id = row[:2]
    places = (chat_id, other_id, message_id)
    connection.execute(SET_ASIDE, places[:2])
    connection.execute(BRING_BACK, places)
    connection.execute(TAKE_REPLIES, (message_id, other_id))


class Samplings(dict[int | None, SamplingParameters | None]):
    """What messages were asked with, by its number in ``connection``'s database, each read when it
    is first asked for: the answers of a chat share theirs."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__({None: None})
        self._connection = connection

    def __missing__(self, number: int | None) -> SamplingParameters | None:
        json = self._connection.execute(SELECT_SAMPLING, (number,)).get
        self[number] = sampling = sampling_of(json)
        return sampling


def message_of(row: Row, samplings: Samplings) -> Message:
    """The message that the `COLUMNS` of a row hold. What makes no sense in it, after a damage of
    the file, costs itself alone."""
    id_, parent_id, role, created, text, state, model, completion, error, *rest = row
    failure, parts, edited, asked = rest
    message = Message(
        id=id_,
        parent_id=parent_id,
        role=_ROLES.get(role) or _unknown(role, Role.ASSISTANT),
        text=text,
        state=_STATES.get(state) or _unknown(state, MessageState.INTERRUPTED),
        created_at=created,
        parts=parsed(parts, tuple[Part, ...]) or () if parts else (),
        model=model,
        sampling=samplings[asked],
        completion=parsed(completion, Completion) if completion else None,
        error=error,
        failure=parsed(failure, Failure) if failure else None,
        edited_at=edited,
    )
    return _with_its_thought(message) if OPENING in text[:FIRST_CHARACTERS] else message


def _with_its_thought(message: Message) -> Message:
    if message.role is not Role.ASSISTANT or message.parts or message.edited_at is not None:
        return message  # what a person writes is what it says
    found = taken_apart(message.text, message.state, message.completion)
    if found is None:
        return message
    text, parts = found
    return msgspec.structs.replace(message, text=text, parts=parts)


def _unknown(value: str, otherwise: Known) -> Known:
    logger.warning("a stored message has the %s %r", type(otherwise).__name__, value)
    return otherwise


@lru_cache(maxsize=64)
def sampling_of(json: str | None) -> SamplingParameters | None:
    """What `sampling_json` made; None as `parsed` says. The answers of a chat share theirs."""
    return None if json is None else parsed(json, SamplingParameters, strict=False)


def parsed(json: str, type_: type[Parsed], *, strict: bool = True) -> Parsed | None:
    """None, and a line in the log, for JSON of another shape: it must not hide a whole chat."""
    try:
        return msgspec.json.decode(json, type=type_, strict=strict)
    except msgspec.DecodeError as error:
        logger.warning("a stored %s is not readable: %s", type_, error)
        return None


def change_one(connection: apsw.Connection, statement: str, bindings: Row) -> None:
    """Change one row, whose id is the last binding. Raises `StoreError` when it is not there."""
    connection.execute(statement, bindings)
    if connection.changes() == 0:
        raise StoreError(f"There is no chat or message with the id {bindings[-1]}")


def _second(created_at: float) -> int:
    """The time as a row; that of a broken clock is the oldest."""
    return int(created_at) if 0.0 <= created_at <= LAST_SECOND else 0


def _free_row(connection: apsw.Connection, row: int) -> int:
    """``row``, or a near one after it that is not taken.

    An import may bring a hundred thousand messages of one second, so they are not walked: in steps
    that double, a free row is found, then halved back to one right behind a taken one.
    """
    if not _is_taken(connection, row):
        return row
    taken, step = row, 1
    while _is_taken(connection, free := taken + step):
        taken, step = free, 2 * step
    while free - taken > 1:
        middle = (taken + free) // 2
        if _is_taken(connection, middle):
            taken = middle
        else:
            free = middle
    return free


def _is_taken(connection: apsw.Connection, row: int) -> bool:
    return connection.execute(IS_TAKEN, (row,)).get is not None


def _share_sampling(connection: apsw.Connection, parameters: str | None) -> None:
    if parameters is not None:
        connection.execute(INSERT_SAMPLING, (parameters,))
