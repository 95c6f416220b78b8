"""How an answer is spoken of: its model's name, and what there is to do when it failed."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.app.load_words import refused_needs
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.failure import MAX_DETAIL, Failure
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InvalidRequest,
    MinervaError,
    ModelLoadError,
    ModelNotFound,
    OutOfMemory,
)

# Of errors after which another model may answer.
OTHER_MODELS_HELP = frozenset({ModelNotFound.code, ModelLoadError.code})
# What a person sets for a model, by the fields of `LoadOptions`, which no request has: a load that
# they are wrong for names one of them.
OWN_OPTIONS = frozenset(
    {
        "n_ctx",
        "n_gpu_layers",
        "n_threads",
        "kv_type_k",
        "kv_type_v",
        "flash_attention",
        "rope",
        "chat_template",
    }
)


class CrowdedContext(ContextLimitExceeded):
    """The context is too small because other models held memory when this one was loaded: alone it
    gets ``n_ctx_alone`` tokens, which are enough."""

    def __init__(self, error: ContextLimitExceeded, n_ctx_alone: int) -> None:
        super().__init__(error.message, detail=error.detail, param=error.param)
        self.n_ctx_alone = n_ctx_alone


def crowded(error: MinervaError, n_ctx_alone: int | None) -> MinervaError:
    """``error`` of an answer, which knows of the context that its model would get alone
    (`ModelPool.n_ctx_alone`) where that would have been enough."""
    if n_ctx_alone is None or not isinstance(error, ContextLimitExceeded):
        return error
    required = error.required
    is_enough = required is not None and required <= n_ctx_alone
    return CrowdedContext(error, n_ctx_alone) if is_enough else error


def failure_of(error: MinervaError) -> Failure:
    """What is kept of an error that an answer failed with."""
    needed = error.required if isinstance(error, ContextLimitExceeded) else None
    return Failure(
        error.code,
        error.param,
        is_of_budget=bool(refused_needs(error)),
        n_tokens=needed or 0,
        detail=error.detail[-MAX_DETAIL:],
    )


def is_of_options(error: MinervaError | Failure) -> bool:
    """Whether a model could not be loaded for the load options that it has."""
    return (error.param or "").partition(".")[0] in OWN_OPTIONS


def model_name(path: Path) -> str:
    """What a chat calls the model at ``path`` that answers in it: the name of its file, as SQLite
    can hold it."""
    return clean_text(path.name)


def with_way_out(error: MinervaError) -> str:
    """The sentence beneath a failed answer. Trying again helps with most errors, not with these."""
    if isinstance(error, CrowdedContext):
        return (
            f"{error.told} tokens, because other models held memory when this one was loaded: "
            f"alone it gets {error.n_ctx_alone:,}. Eject the model and try again to have it loaded "
            "anew, shorten the message, or give the model a larger context in its load options "
            "(Ctrl+Shift+L)."
        )
    if isinstance(error, ContextLimitExceeded):
        return (
            f"{error.told} tokens. Shorten the message, begin a new chat, or give the model a "
            "larger context in its load options (Ctrl+Shift+L)."
        )
    if isinstance(error, OutOfMemory):
        unload = " unload another model," if error.is_shared or not error.needs else ""
        return (
            f"{error.told.rstrip('.')}. Give the model a smaller context in its load options "
            f"(Ctrl+Shift+L),{unload} or allow models more memory in the settings (Ctrl+,)."
        )
    if isinstance(error, InvalidRequest) and is_of_options(error):
        return (
            f"{error.message.rstrip('.')}. Change that in the model's load options (Ctrl+Shift+L)."
        )
    return error.message
