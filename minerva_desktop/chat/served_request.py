"""A request at the HTTP endpoint as the window's list shows it: a frozen value, for any thread."""

from __future__ import annotations

from enum import StrEnum

import msgspec

GRACE_SECONDS = 10.0  # for requests that run when a person stops the endpoint
SOON_SECONDS = 0.25  # a stop that takes no longer is not spoken of


class RequestState(StrEnum):
    """Where a request is. The last four are ends."""

    LOADING = "loading"  # waits for its model
    QUEUED = "queued"  # waits for its turn
    PREFILL = "prefill"
    DECODING = "decoding"
    SENDING = "sending"  # needs its model no more, but its client has not taken all of the answer
    FINISHED = "finished"
    FAILED = "failed"  # also where it was refused
    CANCELLED = "cancelled"  # by its client, or by the person
    STOPPED = "stopped"  # with the endpoint


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One request at one moment.

    ``number`` is ours and unique, ``request_id`` may be the client's choice. ``dialect`` is the
    API that it spoke ("chat", "messages", …). ``started`` is Unix time in seconds, ``seconds`` how
    long it took until then; ``read_tokens`` of ``prompt_tokens`` are processed.
    ``tokens_per_second`` is the answer's, 0.0 before its second token. ``error`` is a sentence,
    empty where all went well; ``status`` is None while it runs. ``has_prompt``: what the model got
    can still be shown.
    """

    number: int
    request_id: str
    dialect: str
    model: str
    client: str
    key_name: str | None
    is_stream: bool
    started: float
    seconds: float
    state: RequestState
    status: int | None
    prompt_tokens: int
    read_tokens: int
    cached_tokens: int
    generated_tokens: int
    tokens_per_second: float
    error: str
    has_prompt: bool

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""
        return self.status is not None

    @property
    def needs_model(self) -> bool:
        """Whether it holds one, or waits for it."""
        return not self.is_over and self.state is not RequestState.SENDING
