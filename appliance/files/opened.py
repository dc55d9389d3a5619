"""The storage that the settings ask for."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from appliance.files.folder import open_folder_storage
from appliance.files.s3 import open_s3_storage
from appliance.files.storage import ObjectStorage
from appliance.settings import StorageSettings


def open_storage(settings: StorageSettings, folder: Path) -> AbstractAsyncContextManager[ObjectStorage]:
    """Open it for the length of the context. ``folder``: where it lies on this machine, unless it is elsewhere.

    ConfigError when it cannot be used.
    """
    return open_s3_storage(settings) if settings.kind == "s3" else open_folder_storage(folder)
