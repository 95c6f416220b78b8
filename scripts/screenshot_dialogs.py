"""The windows beside the main one, filled as their controllers would: the local server's, the
load options of a model, and the settings. Used by `screenshot_states`. Main thread."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from PySide6.QtWidgets import QAbstractButton, QPushButton, QTableView

import screenshot_samples as samples
from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.app.memory_budgets import GpuMemories
from minerva_desktop.app.model_actions import ModelFit
from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.library.fit import Fit
from minerva_desktop.settings import DEFAULT_PORT, ModelOverrides, Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from minerva_desktop.ui.names_field import NamesField
from minerva_desktop.ui.server_controller import ending_notice, stops
from minerva_desktop.ui.server_window import ServerWindow
from minerva_desktop.ui.settings_dialog import SettingsDialog
from minerva_desktop.ui.status_bar import ServerState

URL = f"http://127.0.0.1:{DEFAULT_PORT}/v1"
WARNING = (
    "context of 131,072 tokens: the model was trained for 8,192, and beyond these it may make"
    " no sense"
)
KEYS = (AccessKey("laptop", "x9Qd", 1_764_000_000), AccessKey("Home Assistant", "ab_2", 0))
ANSWERING = RequestRecord(
    number=4,
    request_id="b6f1",
    dialect="chat",
    model="smollm2-135m-instruct-q4_1",
    client="127.0.0.1",
    key_name="laptop",
    is_stream=True,
    started=1_764_000_000.0,
    seconds=2.4,
    state=RequestState.DECODING,
    status=None,
    prompt_tokens=1_204,
    read_tokens=1_204,
    cached_tokens=1_100,
    generated_tokens=96,
    tokens_per_second=43.1,
    error="",
    has_prompt=True,
)
READING = replace(
    ANSWERING,
    number=5,
    dialect="messages",
    state=RequestState.PREFILL,
    prompt_tokens=14_096,
    read_tokens=5_120,
    generated_tokens=0,
    tokens_per_second=0.0,
)
DONE = replace(
    ANSWERING, number=3, state=RequestState.FINISHED, status=200, key_name="Home Assistant"
)
FAILED = replace(
    ANSWERING,
    number=2,
    dialect="embeddings",
    state=RequestState.FAILED,
    status=400,
    generated_tokens=0,
    tokens_per_second=0.0,
    error="smollm2-135m-instruct-q4_1 makes no embeddings",
)
ORIGINS = ("https://chat.example.org", "http://localhost:3000")
REFUSED = replace(
    FAILED,
    number=6,
    dialect="chat",
    model="gpt-4o",
    status=404,
    seconds=0.003,
    prompt_tokens=0,
    error="There is no model “gpt-4o” here. GET /v1/models lists those that there are",
    has_prompt=False,
)
STOPPED = replace(
    ANSWERING,
    number=7,
    state=RequestState.STOPPED,
    status=503,
    error="The endpoint was switched off before the answer was complete",
)
PROMPT = "<|im_start|>user\nWhy is the sea salty?<|im_end|>\n<|im_start|>assistant\n"


def server_window(window: MainWindow, icons: Icons, *, is_busy: bool) -> ServerWindow:
    """The server's window, with keys and requests, or as a person meets it first."""
    opened = ServerWindow(icons, window)
    opened.set_settings(Settings(server_origins=ORIGINS))
    opened.show()
    if is_busy:
        opened.set_state(ServerState.ON, URL)
        opened.set_keys(KEYS)
        opened.set_requests((ANSWERING, READING, DONE, FAILED))
        table = opened.findChild(QTableView)
        if table is not None:
            table.selectRow(0)
        opened.prompt_wanted.connect(lambda number: opened.show_prompt(number, PROMPT))
        show = opened.findChild(QPushButton, "showPrompt")
        if show is not None:
            show.click()
    return opened


def stopping_server(window: MainWindow, icons: Icons) -> ServerWindow:
    """The server's window as small as it gets, with a request that was refused."""
    state = ServerState.STOPPING
    window.notifications.show_notice(ending_notice(stops((2, 0)).words))
    window.status.set_server(state)
    opened = server_window(window, icons, is_busy=True)
    opened.set_state(state)
    opened.set_ending(2)
    opened.set_requests((ANSWERING, READING, STOPPED, REFUSED, DONE, FAILED))
    table = opened.findChild(QTableView)
    if table is not None:
        table.selectRow(3)
    opened.resize(1, 1)
    return opened


def refusing_server(window: MainWindow, icons: Icons) -> ServerWindow:
    """The server's window after a change that could not be made, with an answer on its way."""
    opened = server_window(window, icons, is_busy=True)
    sent = replace(ANSWERING, state=RequestState.SENDING)
    opened.set_requests((sent, READING, DONE, FAILED))
    opened.show_refusal(
        "Not changed: Listening on 0.0.0.0 lets other machines in, so it needs an API key. The "
        "local server goes on as it was."
    )
    return opened


def server_advanced(window: MainWindow, icons: Icons) -> ServerWindow:
    """The same with what few people need, one field of it wrong."""
    opened = server_window(window, icons, is_busy=True)
    advanced = opened.findChild(QAbstractButton, "serverAdvanced")
    hosts = opened.findChild(NamesField, "serverHosts")
    if advanced is not None and hosts is not None:
        advanced.click()
        hosts.set_names(("chat.example.org:443",))
        hosts.check()
    return opened


def model_options(window: MainWindow) -> ModelOptionsDialog:
    """The load options of a model whose wished context does not fit."""
    dialog = ModelOptionsDialog(
        "SmolLM2 135M Instruct",
        ModelOverrides(n_ctx=131_072, kv_type="q8_0"),
        Settings(),
        n_ctx_train=8_192,
        n_cores=8,
        parent=window,
    )
    dialog.show()
    dialog.ask()
    dialog.show_fit(
        ModelFit(
            path=Path("/models/smollm2.gguf"),
            fit=Fit.WONT_FIT,
            n_ctx=131_072,
            n_bytes=6_300_000_000,
            reasons=("it takes 6.3 GB of this computer's memory, and there are 4.2 GB for models",),
            warnings=(WARNING,),
            unloads=(),
        )
    )
    return dialog


def settings(window: MainWindow, icons: Icons, gpus: GpuMemories, sent: str = "") -> SettingsDialog:
    """The settings, where the machine has these ``gpus``; ``sent`` by a check for updates."""
    home = "/home/person/.local/share/Minerva Desktop"
    dialog = SettingsDialog(icons, Settings(n_ctx=16_384), home, 8, window, update_words=sent)
    dialog.show_system_budget(samples.SYSTEM_BUDGET)
    dialog.show_gpus(gpus)
    dialog.open()
    return dialog
