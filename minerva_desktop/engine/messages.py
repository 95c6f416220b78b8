"""The wire between a parent and its engine child: every value that crosses.

Requests go to the child's stdin, events come from its stdout, in `frames`. All values are frozen
and may be used on any thread.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from minerva_desktop.chat.completion import Completion, PromptToken, TokenLogprob
from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import (
    DeviceShare,
    LayerPlacement,
    MemoryRequest,
    SimulatedContext,
    Trimmed,
)
from minerva_desktop.errors import MinervaError, error_from_code

# Why a model that makes embeddings takes no prompt; said with and without its engine.
EMBEDS_ONLY = "This model only makes embeddings; it cannot chat"

_PACKED = "i"  # whole numbers of 32 bits


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model can do, as its files tell. ``tools`` and ``reasoning``: its chat template has a
    place for tools, for a train of thought."""

    chat: bool = False
    tools: bool = False
    embeddings: bool = False
    vision: bool = False
    reasoning: bool = False


class EngineBuild(msgspec.Struct, frozen=True, kw_only=True):
    """What a llama.cpp says of itself: the ``ggml`` version and its ``commit``, and ``features``,
    the abilities of backends that it uses; empty where it does not tell."""

    ggml: str = ""
    commit: str = ""
    features: str = ""


class ContextInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded model is, as llama.cpp reports it. Sizes in bytes, lengths in tokens.

    ``name`` is the GGUF's own for itself, empty when it has none; ``placement`` says which device
    holds how many layers, ``shares`` how many bytes each GPU does; ``n_used_cells`` counts the
    tokens that the KV cache holds now; ``warnings`` say which load option could not be had;
    ``answer_format`` says how answers to messages are to be read. ``chat_template`` is the
    GGUF's, or that of the load options, empty where there is none; ``can_infill``: the model can
    write what comes before a suffix. ``build`` is that of the llama.cpp which loaded it.
    """

    name: str
    description: str
    architecture: str
    quantisation: str
    n_ctx: int
    n_ctx_train: int
    n_params: int
    n_layers: int
    n_gpu_layers: int
    n_threads: int
    n_parallel: int
    n_vocab: int
    n_embd: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    flash_attention: bool
    has_chat_template: bool
    load_ms: float
    capabilities: Capabilities
    placement: tuple[LayerPlacement, ...] = ()
    shares: tuple[DeviceShare, ...] = ()
    devices: tuple[DeviceInfo, ...] = ()
    warnings: tuple[str, ...] = ()
    n_used_cells: int = 0
    answer_format: AnswerFormat = AnswerFormat()
    chat_template: str = ""
    can_infill: bool = False
    build: EngineBuild = EngineBuild()


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
    """Start a generation. Exactly one of ``messages`` (rendered with the model's chat template),
    ``text`` (tokenised as it is) and ``tokens`` is given.

    ``cache_prompt`` False computes all of the prompt anew, and leaves nothing in the cache for
    others but what a snapshot is made of (each step looks at what is there: a prompt of 512 tokens
    took 15 % longer beside 3,000). ``lora``: the scale of each adapter that was loaded, None: as
    they were loaded. ``snapshot`` names the chat whose state is kept on disk, where the load
    options have a place for it. ``chat`` goes with ``messages`` only; ``suffix``, the text that
    comes behind the answer, with the other two only. ``score_prompt`` asks for the
    log-probabilities of the prompt's tokens, with as many likely ones as ``sampling.top_logprobs``
    says; then all of the prompt is computed, a few rows in each step. ``tell_accepted``: a prefill
    of 0 tokens comes as soon as nothing was found wrong with it, and with it how many turns were
    left out to make it fit. ``makes_way``: it fails with `LoadCancelled` where it would take the
    place of what others left in the cache, and leaves nothing there itself. ``prompt_id``: all that
    have the same one have the same prompt, computed once for them, ``cache_prompt`` or not.
    """

    request_id: int
    sampling: SamplingParameters
    limits: RequestLimits = RequestLimits()
    cache_prompt: bool = True
    messages: tuple[ChatTurn, ...] | None = None
    chat: ChatOptions = ChatOptions()
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    lora: tuple[float, ...] | None = None
    snapshot: str | None = None
    suffix: str | None = None
    score_prompt: bool = False
    tell_accepted: bool = False
    makes_way: bool = False
    prompt_id: int | None = None


class Embed(msgspec.Struct, frozen=True, tag="embed", kw_only=True):
    """Make an embedding of each input, a text or its tokens. Answered by `Embedded`; `Abort` ends
    it. ``normalize`` scales each to a length of 1. ``queue_seconds``: as in `RequestLimits`; where
    it is limited, a `SequenceOutput` says that the first text is being computed."""

    request_id: int
    inputs: tuple[str | tuple[int, ...], ...]
    normalize: bool = True
    queue_seconds: float | None = None


class Abort(msgspec.Struct, frozen=True, tag="abort"):
    """End a generation, an `Embed` or a question; idempotent. The first two, where they still ran,
    finish with ``cancelled``; a question is not answered."""

    request_id: int


class CountTokens(msgspec.Struct, frozen=True, tag="count_tokens"):
    """How many tokens ``messages`` make once rendered. Answered by `TokensCounted`, also while
    something is computed, as all questions are."""

    request_id: int
    messages: tuple[ChatTurn, ...]
    chat: ChatOptions = ChatOptions()


class PromptEnd(StrEnum):
    """How a rendered prompt ends: as a generation's does (a last turn of the assistant goes on,
    else a turn of its own is opened), with a turn of the assistant opened in any case, or with
    the end of the last turn."""

    GENERATION = "generation"
    OPENED = "opened"
    CLOSED = "closed"


class ApplyTemplate(msgspec.Struct, frozen=True, tag="apply_template"):
    """The prompt that ``messages`` make. Answered by `TextMade`. With a ``template``: what they
    would make with that one instead of the model's, the beginning of it if it is long."""

    request_id: int
    messages: tuple[ChatTurn, ...]
    chat: ChatOptions = ChatOptions()
    end: PromptEnd = PromptEnd.GENERATION
    template: str | None = None


class Tokenize(msgspec.Struct, frozen=True, tag="tokenize"):
    """The tokens of ``text``. Answered by `Tokenized`.

    ``add_special`` puts those that the model wants around a text, ``parse_special`` reads control
    tokens that are written out in it.
    """

    request_id: int
    text: str
    add_special: bool = False
    parse_special: bool = True


class Detokenize(msgspec.Struct, frozen=True, tag="detokenize"):
    """The text of ``tokens``, control tokens written out. Answered by `TextMade`."""

    request_id: int
    tokens: tuple[int, ...]


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Are you there? Answered by `Pong` at once, by the reader thread, whatever is computed."""


class ListDevices(msgspec.Struct, frozen=True, tag="list_devices"):
    """Which devices does ggml find? Answered by `DevicesListed`; no model need be loaded."""


Question = CountTokens | ApplyTemplate | Tokenize | Detokenize
Request = Load | Generate | Embed | Abort | Question | ListDevices | MemoryRequest | Ping


# -- child to parent ---------------------------------------------------------------------------


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress"):
    """``fraction`` of the weights that are read, 0.0 to 1.0."""

    fraction: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model takes requests."""

    info: ContextInfo


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The model could not be loaded. The child is of no more use, and its parent ends it."""

    error: ErrorInfo


class SequenceOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step made for one request: at most one new token, or the end.

    ``delta`` may be empty though a token was sampled (half a UTF-8 character, a possible stop
    string). ``prefill_done``/``prefill_total`` (tokens) tell how far prefill is, and how much of
    it was in the cache (``prefill_cached``); they also come with the first token. ``started``: it
    waits no longer; told of requests whose time in the queue is limited. ``logprobs``: of the
    tokens whose text is in ``delta``, also earlier ones. ``prompt_logprobs``: of the next tokens of
    a prompt whose scores were asked for. ``dropped_turns``: the oldest ones, which were left out of
    the prompt; told once, where `Generate.tell_accepted` is set.
    """

    request_id: int
    delta: str = ""
    n_tokens: int = 0
    prefill_done: int = 0
    prefill_total: int = 0
    prefill_cached: int = 0
    dropped_turns: int = 0
    started: bool = False
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[PromptToken, ...] = ()
    completion: Completion | None = None
    error: ErrorInfo | None = None


class StepOutputs(msgspec.Struct, frozen=True, tag="step"):
    """All outputs of one engine step: one frame a step, however many sequences run.
    ``n_used_cells``: tokens that the KV cache holds after it; None where the sender does not know.
    """

    outputs: tuple[SequenceOutput, ...]
    n_used_cells: int | None = None


class TokensCounted(msgspec.Struct, frozen=True, tag="tokens_counted"):
    """Answer to `CountTokens`."""

    request_id: int
    n_tokens: int


class Tokenized(msgspec.Struct, frozen=True, tag="tokenized"):
    """Answer to `Tokenize`: token ids, and the bytes of each. Packed: of a text of megabytes there
    are so many that the loop which reads this would stand still until each is a value of Python.
    """

    request_id: int
    packed_tokens: bytes
    joined_pieces: bytes
    packed_lengths: bytes  # of the pieces

    @classmethod
    def of(cls, request_id: int, tokens: Iterable[int], pieces: Sequence[bytes]) -> Tokenized:
        """Pack an answer."""
        lengths = array(_PACKED, map(len, pieces))
        joined = b"".join(pieces)
        return cls(request_id, array(_PACKED, [*tokens]).tobytes(), joined, lengths.tobytes())

    @property
    def tokens(self) -> tuple[int, ...]:
        """The ids, unpacked at each call."""
        return tuple(array(_PACKED, self.packed_tokens))

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes of each token, unpacked at each call."""
        return tuple(
            piece
            for _, pieces in self.unpacked(max(1, len(self.packed_tokens)))
            for piece in pieces
        )

    def unpacked(self, n_tokens: int) -> Iterator[tuple[list[int], list[bytes]]]:
        """The ids and the bytes of the first ``n_tokens`` tokens, of the next ones, and so on."""
        tokens, lengths = array(_PACKED, self.packed_tokens), array(_PACKED, self.packed_lengths)
        at = 0
        for first in range(0, len(tokens), n_tokens):
            ends = list(itertools.accumulate(lengths[first : first + n_tokens], initial=at))
            pieces = [self.joined_pieces[start:end] for start, end in itertools.pairwise(ends)]
            yield tokens[first : first + n_tokens].tolist(), pieces
            at = ends[-1]


class TextMade(msgspec.Struct, frozen=True, tag="text_made"):
    """Answer to `ApplyTemplate` and `Detokenize`. Bytes, for tokens may end inside a character."""

    request_id: int
    text: bytes


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    """Answer to `Embed`: for each input ``n_embd`` little-endian 32-bit floats, and its tokens."""

    request_id: int
    vectors: tuple[bytes, ...]
    n_tokens: tuple[int, ...]


class RequestFailed(msgspec.Struct, frozen=True, tag="request_failed"):
    """Answer to a question or an `Embed` that failed, or whose answer cannot be sent."""

    request_id: int
    error: ErrorInfo


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to `Ping`. ``step_seconds``: how long the main thread has been at what it does now, a
    decode of a step for the most part; 0 while it waits or loads."""

    step_seconds: float = 0.0


class DevicesListed(msgspec.Struct, frozen=True, tag="devices_listed"):
    """Answer to `ListDevices`: all of them, in ggml's order, and who found them."""

    devices: tuple[DeviceInfo, ...]
    build: EngineBuild = EngineBuild()


class DryRunDone(msgspec.Struct, frozen=True, tag="dry_run_done"):
    """Answer to `DryRun`: a value for each length; to `TryLoad`: ``warnings``; or why not."""

    contexts: tuple[SimulatedContext, ...] = ()
    warnings: tuple[str, ...] = ()
    error: ErrorInfo | None = None


Answer = TokensCounted | Tokenized | TextMade | Embedded | Trimmed | RequestFailed
Event = (
    LoadProgress | Loaded | LoadFailed | StepOutputs | Answer | DevicesListed | DryRunDone | Pong
)
