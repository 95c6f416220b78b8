"""What the screenshots show: a person's chats, models and conversations. Values only."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from minerva_desktop.app.loaded_models import HeldMemory, LoadedModel, TimeToLive
from minerva_desktop.app.memory import DeviceReading, MemoryReading
from minerva_desktop.app.memory_budgets import DeviceBudget
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.library.loaded_files import GONE
from minerva_desktop.ui.model_list import PickerFit, PickerItem

NOW = datetime(2026, 3, 14, 15, 9).astimezone()
OPEN_CHAT = "chat-1"
MODEL = "SmolLM2 135M Instruct"
MODEL_PATH = "/models/smollm2-135m-instruct-q4_1.gguf"
LONG_NAME = (
    "A-Very-Long-Community-Merge-Name-of-Llama-3.3-70B-and-Qwen3-235B-A22B-Thinking-2507-"
    "abliterated-imatrix-uncensored-v2.1-final-FINAL"
)

MODELS = (
    PickerItem(MODEL_PATH, MODEL, 98_000_000, "Q4_1", 8192, loaded=True, removable=False),
    PickerItem("/models/gemma-3-4b-it-q4_k_m.gguf", "Gemma 3 4B", 2_490_000_000, "Q4_K_M", 131_072),
    PickerItem("/models/qwen3-8b-q5_k_m.gguf", "Qwen3 8B", 5_850_000_000, "Q5_K_M", 40_960),
    PickerItem(
        "/models/all-MiniLM-L6-v2-Q8_0.gguf",
        "all-MiniLM-L6-v2",
        25_300_000,
        "Q8_0",
        512,
        makes_embeddings=True,
    ),
    PickerItem(
        "/media/stick/mistral.gguf",
        "Mistral Small 24B",
        14_300_000_000,
        "Q4_K_M",
        32_768,
        problem="The file is not there any more",
    ),
)
LONG_MODELS = (
    PickerItem(f"/models/{LONG_NAME}.gguf", LONG_NAME, 142_000_000_000, "IQ4_XS", 1_048_576),
    *MODELS,
)

LONG_FITS = (
    PickerFit("Won’t fit", "danger", "Takes about 142.0 GB"),
    PickerFit("Needs offload", "warning", "Takes about 6.4 GB", (LONG_NAME, f"Old-{LONG_NAME}")),
)
FITS = (
    PickerFit("Fits", "success", "Takes about 2.9 GB with a context of 8,192 tokens"),
    PickerFit("Smaller context", "warning", "Takes about 6.4 GB", (MODEL, "Gemma 3 4B")),
)
# Models that load no more: one is loaded, and other options were saved since.
UNKNOWN_MODEL = PickerItem(
    "/models/novum-7b-q4_k_m.gguf", "Novum 7B", 4_370_000_000, "Q4_K_M", 32_768
)
REFUSED_FITS = (
    PickerFit(
        "Won’t load",
        "danger",
        "YaRN's fast beta would have no effect: RoPE scaling is not “yarn”. Change that in its load"
        " options",
        is_refused=True,
    ),
    PickerFit(
        "Won’t load",
        "danger",
        "novum-7b-q4_k_m.gguf is a “novum” model, an architecture that this version of llama.cpp"
        " does not know yet",
        is_refused=True,
    ),
)
LOADED = (
    LoadedModel(
        path=Path(MODEL_PATH),
        name=MODEL,
        held=(HeldMemory("CPU", 98_000_000, 188_700_000, 34_000_000),),
        pinned=False,
        in_use=True,
        time_to_live=TimeToLive(None, is_own=False),
        tokens_per_second=43.2,
        n_ctx=8192,
        n_layers=31,
        n_gpu_layers=0,
    ),
    LoadedModel(
        path=Path("/models/gemma-3-4b-it-q4_k_m.gguf"),
        name="Gemma 3 4B",
        held=(HeldMemory("CPU", 2_490_000_000, 285_000_000, 96_000_000),),
        pinned=True,
        in_use=False,
        time_to_live=TimeToLive(1800.0, is_own=True),
        tokens_per_second=None,
        n_ctx=4096,
        n_layers=35,
        n_gpu_layers=0,
        reasons=("context of 4,096 tokens instead of 8,192: as wished it would take 3.4 GB",),
    ),
)
LOADED_ON_GPUS = (
    replace(
        LOADED[0],
        held=(HeldMemory("CUDA1", 98_000_000, 188_700_000, 34_000_000),),
        n_gpu_layers=31,
    ),
    replace(
        LOADED[1],
        name="Llama 3.3 70B",
        held=(
            HeldMemory("CPU", 5_400_000_000, 300_000_000, 40_000_000),
            HeldMemory("CUDA0", 16_200_000_000, 1_900_000_000, 320_000_000),
            HeldMemory("CUDA1", 7_100_000_000, 800_000_000, 300_000_000),
        ),
        n_layers=81,
        n_gpu_layers=66,
        reasons=(
            "66 of 81 layers on the GPU, the others on the CPU: as wished it would take 42.1 GB",
        ),
        note=GONE,
    ),
)
GIB = 1024**3


def _device(
    total: int, models: int, others: int, device: str, name: str, short: str, budget: int
) -> DeviceReading:
    free = total - models - others
    return DeviceReading(device, name, short, total, models, others, free, budget)


def system_memory(models: int, others: int = 6 * GIB) -> MemoryReading:
    """16 GiB, of which the models hold that much."""
    return MemoryReading((_device(16 * GIB, models, others, "CPU", "Memory", "Memory", 4 * GIB),))


TWO_GPUS = MemoryReading(
    (
        _device(64 * GIB, 6_000_000_000, 9 * GIB, "CPU", "RAM", "RAM", 16 * GIB),
        _device(
            24 * GIB,
            18_900_000_000,
            GIB,
            "CUDA0",
            "NVIDIA GeForce RTX 4090",
            "GPU 1",
            24 * GIB * 8 // 10,
        ),
        _device(
            12 * GIB,
            8_700_000_000,
            GIB // 2,
            "CUDA1",
            "NVIDIA GeForce RTX 3060",
            "GPU 2",
            12 * GIB * 8 // 10,
        ),
    )
)

SYSTEM_BUDGET = DeviceBudget((), "System memory", 16 * GIB, 4 * GIB)
GPU_BUDGETS = tuple(
    DeviceBudget((device.name,), device.name, device.total or 0, device.budget or 0)
    for device in TWO_GPUS.devices[1:]
)

_TITLES = (
    ("Why is the sea salty?", 0),
    ("A letter to the landlord", 0),
    ("Binary search, explained", 1),
    ("Packing list for Iceland", 3),
    ("Names for a grey cat", 5),
    ("Rust lifetimes", 20),
    ("Sourdough, second try", 41),
)


def chat(chat_id: str, title: str, days_ago: float = 0) -> ConversationSummary:
    """A chat of the list that was last used that long ago."""
    updated_at = (NOW - timedelta(days=days_ago, hours=1)).timestamp()
    return ConversationSummary(id=chat_id, title=title, updated_at=updated_at, model=None)


CHATS = tuple(
    chat(f"chat-{number}", title, days) for number, (title, days) in enumerate(_TITLES, start=1)
)
LONG_CHATS = (
    chat(OPEN_CHAT, "Donaudampfschifffahrtsgesellschaftskapitän" * 3),
    chat("chat-b", "什么是大型语言模型，它是如何工作的？请详细解释一下"),
    chat("chat-c", "ما هو البحر ولماذا هو مالح؟ اشرح لي ذلك بالتفصيل من فضلك"),
    *CHATS[1:],
)

SALT = """\
Rivers carry it there. Rain is slightly acidic, so it dissolves minerals out of rock, mostly \
**sodium** and **chloride**, and rivers bring them to the sea.

Water leaves the sea again by evaporating, but the salt stays behind. Over hundreds of millions \
of years it has added up to about 35 grams in every litre.

1. Rain wears down rock.
2. Rivers carry the dissolved minerals.
3. The sun takes the water back, *not* the salt.
"""

CODE = """\
## Binary search

A binary search halves the range at each step, so it needs at most `log2(n) + 1` looks.

```python
from collections.abc import Sequence


def find(numbers: Sequence[int], wanted: int) -> int | None:
    \"\"\"The index of ``wanted`` in ascending ``numbers``, or None.\"\"\"
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2  # never overflows in Python
        if numbers[middle] == wanted:
            return middle
        if numbers[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return None
```

| Numbers | Linear search | Binary search |
|--------:|--------------:|--------------:|
| 1,000 | 1,000 | 10 |
| 1,000,000 | 1,000,000 | 20 |
| 1,000,000,000 | 1,000,000,000 | 30 |

> It only works on **sorted** input. Sorting first costs more than one linear search.

- [x] sorted input
- [x] random access
- [ ] duplicates: any of them may be found

In C the classic mistake is the overflow in the middle:

```c
int middle = low + (high - low) / 2;   /* not (low + high) / 2, which is too much for \
an int when the array holds more than a billion elements */
```

See [the proof](https://example.org/proof), or ~~guess~~ measure it yourself.
"""

_ids = count(1)


def message(
    role: Role,
    text: str,
    state: MessageState = MessageState.COMPLETE,
    *,
    model: str | None = None,
    error: str | None = None,
) -> Message:
    """A message of the sample chats; an answer that ended well has numbers."""
    answered = role is Role.ASSISTANT and state in (MessageState.COMPLETE, MessageState.STOPPED)
    return Message(
        id=f"message-{next(_ids)}",
        parent_id="question" if role is Role.ASSISTANT else None,
        role=role,
        text=text,
        state=state,
        created_at=NOW.timestamp(),
        model=(model or "smollm2-135m-instruct-q4_1.gguf") if role is Role.ASSISTANT else None,
        completion=_completion(text) if answered else None,
        error=error,
    )


def _completion(text: str) -> Completion:
    n_tokens = max(2, len(text) // 4)
    timings = Timings(
        prompt_tokens=42,
        prefill_ms=110.0,
        first_token_ms=124.0,
        completion_tokens=n_tokens,
        decode_ms=n_tokens * 23.0,
    )
    return Completion(finish_reason=FinishReason.STOP, timings=timings, seed=7)
