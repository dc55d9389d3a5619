"""Avatars from upload to deletion."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from appliance.hooks.contract import Storage, TryLater
from appliance.settings import PluginsSettings, StorageSettings
from tests.support.api_server import PASSWORD, Account, ApiServer, Reply, serving, settings_for
from tests.support.plugins import found, opening, plugin


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


def form(data: bytes, name: str = "avatar") -> tuple[bytes, dict[str, str]]:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="../../x.png"'
    head = f"--B\r\n{disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + data + b"\r\n--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}


def upload(account: Account, data: bytes, headers: dict[str, str]) -> Reply:
    return account.call("POST", "/upload-avatar", raw=data, headers=headers)


def test_a_picture_is_uploaded_shown_replaced_and_deleted(api: ApiServer) -> None:
    ann = api.user("ann")
    url = upload(ann, picture("red"), {"Content-Type": "image/png"}).data["avatar_url"]
    assert ann.get("/profile").data["avatar_url"] == url
    shown = api.request("GET", f"!{url}")
    assert (shown.status, shown.headers["Content-Type"], shown.body[8:12]) == (200, "image/webp", b"WEBP")
    assert "immutable" in shown.headers["Cache-Control"]
    second = upload(ann, *form(picture("blue"))).data["avatar_url"]
    assert second != url
    assert api.request("GET", f"!{url}").status == 404
    assert api.request("GET", f"!{second}").status == 200
    folder = Path(api.services.settings.data.folder) / "files" / "avatars"
    assert len(list(folder.iterdir())) == 1
    assert ann.delete("/account", {"password": PASSWORD}).status == 200
    assert list(folder.iterdir()) == []


def test_what_is_refused(api: ApiServer) -> None:
    bob = api.user("bob")
    assert upload(bob, b"rubbish", {"Content-Type": "image/png"}).error == "invalid_image: avatar"
    assert upload(bob, picture("red"), {"Content-Type": "text/plain"}).status == 415
    assert upload(bob, *form(picture("red"), "photo")).error == "invalid_field: avatar"
    assert upload(bob, b"x" * 1_048_577, {"Content-Type": "image/png"}).code == "payload_too_large"
    assert upload(bob, *form(b"x" * 1_048_577)).code == "payload_too_large"
    assert upload(bob, b"--B\r\n", {"Content-Type": "multipart/form-data"}).status == 400
    assert api.request("POST", "/upload-avatar", raw=picture("red")).code == "sign_in_required"
    assert bob.get("/profile").data["avatar_url"] is None
    for name in ("..%2f..%2fsecret", "avt_x", "avt_" + "a" * 20, "%00", "a/b", "avt_" + "a" * 20 + "%2f"):
        assert api.request("GET", f"/avatars/{name}.webp").status == 404


def test_a_plugin_keeps_the_pictures(tmp_path: Path) -> None:
    kept: dict[str, bytes] = {}
    away = False

    async def put(key: str, path: Path, _media_type: str) -> None:
        kept[key] = path.read_bytes()

    async def read(key: str, start: int, length: int) -> bytes | None:
        if away:
            raise TryLater("the vault is closed")
        return kept[key][start : start + length] if key in kept else None

    async def size(key: str) -> int | None:
        return len(kept[key]) if key in kept else None

    async def delete(key: str) -> bool:
        return kept.pop(key, None) is not None

    hook = Storage(put=put, read=read, size=size, delete=delete)
    vault = found("vault", lambda: plugin(opening(hook)), ("parley.storage",))
    settings = settings_for(
        tmp_path, storage=StorageSettings(kind="plugin:vault"), plugins=PluginsSettings(enabled=("vault",))
    )
    with serving(settings, discover=lambda: (vault,)) as api:
        ann = api.user("ann")
        first = upload(ann, picture("red"), {"Content-Type": "image/png"}).data["avatar_url"]
        (key,) = kept
        assert key.startswith("avatars/avt_") and kept[key][8:12] == b"WEBP"
        assert api.request("GET", f"!{first}").body == kept[key]
        second = upload(ann, picture("blue"), {"Content-Type": "image/png"}).data["avatar_url"]
        assert list(kept) != [key] and len(kept) == 1
        assert api.request("GET", f"!{first}").status == 404
        away = True
        answer = api.request("GET", f"!{second}")
        assert (answer.status, answer.code) == (503, "unavailable")
        away = False
        assert api.request("GET", f"!{second}").status == 200
        assert ann.delete("/account", {"password": PASSWORD}).status == 200
    assert kept == {}
    assert not (tmp_path / "files").exists()
