"""Every error that Minerva shows a person or an HTTP client.

    MinervaError
    ├── ModelNotFound            404  model_not_found
    ├── ModelLoadError           500  model_load_failed
    │   └── LoadCancelled        500  load_cancelled
    ├── OutOfMemory              500  insufficient_memory
    │   └── MemoryInUse          503  insufficient_memory
    ├── ContextLimitExceeded     400  context_length_exceeded
    ├── GenerationTimeout        408  generation_timeout
    ├── InferenceError           500  inference_failed
    ├── EngineDied               503  engine_died
    │   └── AppReplaced          503  engine_died
    ├── ModelUnloaded            503  model_unloaded
    ├── QueueFull                503  queue_full
    ├── RequestCancelled         499  request_cancelled
    ├── InvalidRequest           400  invalid_request_error
    ├── Unauthorized             401  invalid_api_key
    ├── Forbidden                403  forbidden
    ├── EndpointError            500  endpoint_failed
    ├── StoreError               500  store_failed
    ├── ChatFileError            500  chat_file_failed
    ├── UpdateCheckFailed        500  update_check_failed
    ├── UnsupportedProcessor     500  unsupported_processor
    ├── NoDisplay                500  no_display
    └── AttachmentError          400  attachment_refused

``message`` is one sentence for a person, with the numbers in it. ``detail`` is what an expert
wants one click later (stderr of a dead child, llama.cpp's own words). Values of this module hold
no state beyond that and may be made and read on any thread.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

_REASONS = MappingProxyType(
    {
        errno.ENOENT: "it is not there",
        errno.ENOTDIR: "a part of its path is a file, not a folder",
        errno.EISDIR: "it is a folder",
        errno.ELOOP: "its links lead back to themselves",
        errno.ENAMETOOLONG: "its name is too long",
        errno.EEXIST: "a file of that name is in its place",
        errno.EACCES: "this user may not open it",
        errno.EPERM: "this user may not do that",
        errno.EROFS: "the disk is read-only",
        errno.ENOSPC: "the disk is full",
    }
)
_LIMIT = re.compile(r"max (\d+), required (\d+)")  # tokens of context


class MinervaError(Exception):
    """Root of the tree. ``code`` is stable and goes over the wire and into HTTP bodies. So do the
    words, in which half characters cannot go, whether they come from a file's name or from a chat
    template: ``?`` instead."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, detail: str = "", param: str | None = None) -> None:
        self.message = message.encode("utf-8", "replace").decode()
        self.detail = detail.encode("utf-8", "replace").decode()
        super().__init__(self.message)
        self.param = param

    @property
    def told(self) -> str:
        """``message`` as people read it, where that is another sentence."""
        return self.message


class ModelNotFound(MinervaError):
    """No model of that name is known, or its file is not there."""

    code = "model_not_found"
    http_status = 404


class ModelLoadError(MinervaError):
    """llama.cpp would not load the file; the message says why in words."""

    code = "model_load_failed"


class LoadCancelled(ModelLoadError):
    """The person cancelled the load in the window. Not shown as a failure."""

    code = "load_cancelled"


class OutOfMemory(MinervaError):
    """Weights, KV cache or compute buffers did not fit.

    Where a budget refused them, the ``message`` is the sum that programs know (DESIGN 7), and
    ``needs`` says behind a colon what people understand: what is needed, and what is free of which
    memory; else it is empty. ``is_shared``: other models hold some of it."""

    code = "insufficient_memory"

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        param: str | None = None,
        needs: str = "",
        is_shared: bool = False,
    ) -> None:
        super().__init__(message, detail=detail, param=param)
        self.needs = needs
        self.is_shared = is_shared

    @property
    def told(self) -> str:
        kind = self.message.partition(":")[0]
        return f"{kind}: {self.needs}" if self.needs else self.message


class MemoryInUse(OutOfMemory):
    """What did not fit would once requests that run now are over: asking again helps."""

    http_status = 503


class ContextLimitExceeded(MinervaError):
    """The prompt (in tokens) does not fit into the context. The ``message`` has the numbers as
    programs look for them (DESIGN 7)."""

    code = "context_length_exceeded"
    http_status = 400

    @classmethod
    def of(cls, n_ctx: int, required: int, param: str = "messages") -> ContextLimitExceeded:
        """``n_ctx`` and ``required`` in tokens; ``param`` is what the prompt was given as."""
        return cls(f"Context limit exceeded: {_limit(n_ctx, required)}", param=param)

    @property
    def required(self) -> int | None:
        """Tokens that the context would have to hold; None where the message does not say. Read
        out of that, for between processes an error is its words."""
        found = _LIMIT.search(self.message)
        return None if found is None else int(found[2])

    @property
    def told(self) -> str:
        return _LIMIT.sub(lambda found: _limit(int(found[1]), int(found[2]), ","), self.message)


def _limit(n_ctx: int, required: int, separator: str = "") -> str:
    return f"max {n_ctx:{separator}}, required {required:{separator}}"


class GenerationTimeout(MinervaError):
    """A request took longer than it was allowed to."""

    code = "generation_timeout"
    http_status = 408


class InferenceError(MinervaError):
    """One request failed; the model lives and takes the next."""

    code = "inference_failed"


class EngineDied(MinervaError):
    """The engine child ended by itself: a crash, an abort or a kill from outside."""

    code = "engine_died"
    http_status = 503


class AppReplaced(EngineDied):
    """The engine child is of another version, for the app was updated while it runs. No load
    succeeds before it is started again."""


class ModelUnloaded(MinervaError):
    """The person unloaded the model while the request ran. The next one that asks for it has it
    loaded again."""

    code = "model_unloaded"
    http_status = 503


class QueueFull(MinervaError):
    """Too many requests wait already."""

    code = "queue_full"
    http_status = 503


class RequestCancelled(MinervaError):
    """The person ended the request in the window. No status that clients try again at."""

    code = "request_cancelled"
    http_status = 499


class InvalidRequest(MinervaError):
    """A parameter is wrong; ``param`` names it."""

    code = "invalid_request_error"
    http_status = 400


class Unauthorized(MinervaError):
    """No API key, or a wrong one."""

    code = "invalid_api_key"
    http_status = 401


class Forbidden(MinervaError):
    """The Host or Origin header is not one that this endpoint answers."""

    code = "forbidden"
    http_status = 403


class EndpointError(MinervaError):
    """The HTTP endpoint could not start: the port is taken, the address is not ours."""

    code = "endpoint_failed"


class EndpointStopped(EndpointError):
    """The endpoint was switched off while the request ran."""

    code = "endpoint_stopped"
    http_status = 503


class StoreError(MinervaError):
    """Chats could not be read or written."""

    code = "store_failed"


class ChatFileError(MinervaError):
    """A file of exported chats could not be read or written."""

    code = "chat_file_failed"


class UpdateCheckFailed(MinervaError):
    """Whether there is a newer version could not be found out."""

    code = "update_check_failed"


class UnsupportedProcessor(MinervaError):
    """The window's libraries need more than this processor can do."""

    code = "unsupported_processor"


class NoDisplay(MinervaError):
    """There is nothing to open the window on."""

    code = "no_display"


class AttachmentError(MinervaError):
    """A file cannot be given to a model with a message."""

    code = "attachment_refused"
    http_status = 400


def with_detail(message: str, detail: str) -> str:
    """An error's message, and a short detail in brackets, which it may bring itself: "(line 3)"."""
    if not detail:
        return message
    has_brackets = detail.startswith("(") and detail.endswith(")")
    return f"{message} {detail}" if has_brackets else f"{message} ({detail})"


def os_reason(error: OSError) -> str:
    """Why a file could not be used, in words that follow a colon."""
    reason = _REASONS.get(error.errno or 0)
    if reason is not None:
        return reason
    return os.strerror(error.errno) if error.errno else str(error)


def folder_reason(folder: Path, error: OSError) -> str:
    """Why ``folder`` could not be made or used, in words that follow a colon."""
    with suppress(OSError):  # nor may this user look
        if error.errno in {errno.EACCES, errno.EPERM} and not folder.exists():
            return "it is not there, and this user may not make it"
    return os_reason(error)


def no_file_words(mode: int) -> str:
    """What is wrong with what lies where a GGUF file should, by its ``st_mode``, in words that
    follow its name; nothing where it is a file."""
    if stat.S_ISDIR(mode):
        return "is a folder: choose a GGUF file in it."
    if stat.S_ISFIFO(mode):
        return "is a pipe, not a GGUF file."
    return "" if stat.S_ISREG(mode) else "is a device or socket, not a GGUF file."


def part_missing(number: int, count: int, name: str, *, detail: str) -> ModelLoadError:
    """One of the ``count`` files of a model is not there: ``name`` is that of its ``number``th."""
    return ModelLoadError(f"Part {number} of {count} is not there: {name}", detail=detail)


def _family(root: type[MinervaError]) -> dict[str, type[MinervaError]]:
    members = {root.code: root}
    for child in root.__subclasses__():
        members = _family(child) | members  # of those that share a code it is the parent's
    return members


def error_from_code(
    code: str, message: str, *, detail: str = "", param: str | None = None
) -> MinervaError:
    """Rebuild an error that crossed a process border; an unknown code becomes the root class."""
    kind = _family(MinervaError).get(code, MinervaError)
    return kind(message, detail=detail, param=param)
