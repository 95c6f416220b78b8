"""Within which numbers models are loaded, for the settings, the window, the commands and the engine
alike. Constants alone, of which every package may make use.
"""

from __future__ import annotations

MIN_N_CTX, MAX_N_CTX = 16, 16_777_216  # tokens
MAX_GPU_LAYERS = 10_000
MAX_THREADS = 1024  # those beyond the cores are not used
MIN_ROPE_SCALE, MAX_ROPE_SCALE = 0.01, 10_000  # times as long a context; llama.cpp takes 1 / that
MAX_ROPE_BASE = 10_000_000_000
MAX_YARN_FACTOR, MAX_YARN_BETA = 100, 10_000
MAX_TEMPLATE = 200_000  # characters of a chat template; the longest in use have 20,000
