"""A server with real models, and questions to it by each of the three ways."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.inference.installed import ModelFolder
from appliance.settings import AiSettings, ModelsSettings, Settings
from tests.support.ai_models import install
from tests.support.api_server import Account, ApiServer, Reply, serving, settings_for

MODELS = ("silero-vad", "moonshine-tiny-en", "emotion", "face-spoof", "dtln", "zero-dce", "esrgan-slim-x2")
"""The set that `make run` brings, but for the face detector alone."""
WITHIN_S = 60.0
"""A model is loaded with its first question, on a machine that others use too."""


def ai_settings(folder: Path, *names: str, catalogs: tuple[str, ...] = (), **sections: Any) -> Settings:
    """Settings of a server whose models folder has these models of ours."""
    models = ModelFolder(folder / "models")
    install(models, *names)
    return settings_for(
        folder,
        ai=sections.pop("ai", AiSettings(device="cpu", threads=1)),
        models=ModelsSettings(folder=str(folder / "models"), catalogs=catalogs),
        **sections,
    )


@contextmanager
def answering(folder: Path, *names: str, **more: Any) -> Iterator[ApiServer]:
    """A server with these models."""
    with serving(ai_settings(folder, *names, **more)) as server:
        yield server


def ask_raw(account: Account, path: str, data: bytes, media_type: str, **headers: str) -> Reply:
    """The sound or picture as the body."""
    return account.call("POST", path, raw=data, headers={"Content-Type": media_type, **headers}, timeout_s=WITHIN_S)


def ask_json(account: Account, path: str, field: str, data: bytes, **options: Any) -> Reply:
    """In base64."""
    body = {field: base64.b64encode(data).decode(), **options}
    return account.call("POST", path, body, timeout_s=WITHIN_S)


def ask_form(account: Account, path: str, field: str, data: bytes, **options: str) -> Reply:
    """As a browser's form."""
    boundary = "a-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in options.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'.encode() + data
    )
    body = b"".join(parts) + f"\r\n--{boundary}--\r\n".encode()
    return ask_raw(account, path, body, f"multipart/form-data; boundary={boundary}")
