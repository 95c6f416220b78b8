"""The wire between a parent and its engine child: every value that crosses, and the framing.

A frame is a little-endian uint32 length followed by one MessagePack value. Requests go to the
child's stdin, events come from its stdout. All values are frozen and may be used on any thread.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

import msgspec

from minerva_desktop.chat.completion import Completion, TokenLogprob
from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, MinervaError, error_from_code

# No honest message comes near it; a broken length must not become a huge allocation.
MAX_FRAME_BYTES = 256 * 1024 * 1024
MAX_PARALLEL = 256  # LLAMA_MAX_SEQ of llama.cpp 0.3.36
HEADER = struct.Struct("<I")


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to load a model.

    ``n_ctx`` in tokens, None: the model's own, at most `DEFAULT_N_CTX`. ``n_gpu_layers`` None: all
    that the build's GPU backend takes (none without one). ``n_threads`` None: physical cores.
    ``n_parallel`` requests are computed together; they share the ``n_ctx`` tokens.
    """

    n_ctx: int | None = None
    n_gpu_layers: int | None = None
    n_threads: int | None = None
    n_batch: int = 512
    n_parallel: int = 4

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for a number that llama.cpp would choke on."""
        for name, low, high in (
            ("n_ctx", 16, 16_777_216),
            ("n_gpu_layers", 0, 10_000),
            ("n_threads", 1, 1024),
            ("n_batch", 1, 65_536),
            ("n_parallel", 1, MAX_PARALLEL),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidRequest(
                    f"{name} must be between {low:,} and {high:,}, not {value:,}", param=name
                )


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A compute device as ggml lists it. ``kind`` is a `GpuDevice` value; memory in bytes."""

    name: str
    description: str
    kind: str
    total_memory: int
    free_memory: int


class ContextInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded model is, as llama.cpp reports it. Sizes in bytes, lengths in tokens."""

    description: str
    n_ctx: int
    n_ctx_train: int
    n_params: int
    n_layers: int
    n_gpu_layers: int
    n_threads: int
    n_parallel: int
    n_vocab: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    has_chat_template: bool
    load_ms: float
    devices: tuple[DeviceInfo, ...] = ()


class ErrorInfo(msgspec.Struct, frozen=True):
    """A `MinervaError` on its way through a pipe."""

    code: str
    message: str
    detail: str = ""
    param: str | None = None

    @classmethod
    def of(cls, error: MinervaError) -> ErrorInfo:
        """Pack ``error`` for the wire."""
        return cls(error.code, error.message, error.detail, error.param)

    def to_error(self) -> MinervaError:
        """The error again, of its own class."""
        return error_from_code(self.code, self.message, detail=self.detail, param=self.param)


# -- parent to child ---------------------------------------------------------------------------


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Load the GGUF at ``path``. Answered by `LoadProgress` events, then `Loaded` or `LoadFailed`.

    To cancel a load, kill the child: that alone is sure to give memory back. The path is bytes
    (`os.fsencode`), because file names need not be UTF-8.
    """

    path: bytes
    options: LoadOptions


class Generate(msgspec.Struct, frozen=True, tag="generate", kw_only=True):
    """Start a generation. Exactly one of ``messages`` (rendered with the model's chat template)
    and ``text`` (tokenised as it is) is given. ``cache_prompt`` False computes all of the prompt
    anew."""

    request_id: int
    sampling: SamplingParameters
    limits: RequestLimits = RequestLimits()
    cache_prompt: bool = True
    messages: tuple[ChatTurn, ...] | None = None
    text: str | None = None


class Abort(msgspec.Struct, frozen=True, tag="abort"):
    """End a generation; idempotent. It finishes with ``cancelled``, if it still ran."""

    request_id: int


class CountTokens(msgspec.Struct, frozen=True, tag="count_tokens", kw_only=True):
    """How many tokens ``messages`` make once rendered. Answered by `TokensCounted`."""

    request_id: int
    messages: tuple[ChatTurn, ...]


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Are you there? Answered by `Pong` at once, by the reader thread, whatever is computed."""

    request_id: int


Request = Load | Generate | Abort | CountTokens | Ping


# -- child to parent ---------------------------------------------------------------------------


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress"):
    """``fraction`` of the weights that are read, 0.0 to 1.0."""

    fraction: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model takes requests."""

    info: ContextInfo


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The child is about to exit."""

    error: ErrorInfo


class SequenceOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step made for one request: at most one new token, or the end.

    ``delta`` may be empty though a token was sampled (half a UTF-8 character, a possible stop
    string). ``prefill_done``/``prefill_total`` (tokens) tell how far prefill is.
    """

    request_id: int
    delta: str = ""
    n_tokens: int = 0
    prefill_done: int = 0
    prefill_total: int = 0
    logprob: TokenLogprob | None = None
    completion: Completion | None = None
    error: ErrorInfo | None = None


class StepOutputs(msgspec.Struct, frozen=True, tag="step"):
    """All outputs of one engine step: one frame a step, however many sequences run."""

    outputs: tuple[SequenceOutput, ...]


class TokensCounted(msgspec.Struct, frozen=True, tag="tokens_counted", kw_only=True):
    """Answer to `CountTokens`."""

    request_id: int
    n_tokens: int = 0
    error: ErrorInfo | None = None


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to `Ping`."""

    request_id: int


Event = LoadProgress | Loaded | LoadFailed | StepOutputs | TokensCounted | Pong


_REQUESTS: Final = msgspec.msgpack.Decoder(Request)
_EVENTS: Final = msgspec.msgpack.Decoder(Event)

# -- framing -----------------------------------------------------------------------------------


def encode_frame(value: Request | Event) -> bytes:
    """One frame, ready to write."""
    body = msgspec.msgpack.encode(value)
    return HEADER.pack(len(body)) + body


def frame_length(header: bytes) -> int:
    """Length in bytes of the value that follows ``header``; raises `ValueError` past the limit."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    return int(length)


def read_frame(stream: BinaryIO) -> bytes | None:
    """Block until a whole frame came; its body, or None at end of stream (even inside a frame)."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length = frame_length(header)
    body = stream.read(length)
    return body if len(body) == length else None


def decode_request(body: bytes) -> Request:
    """Raises `msgspec.DecodeError` when ``body`` is no request."""
    request: Request = _REQUESTS.decode(body)
    return request


def decode_event(body: bytes) -> Event:
    """Raises `msgspec.DecodeError` when ``body`` is no event."""
    event: Event = _EVENTS.decode(body)
    return event
