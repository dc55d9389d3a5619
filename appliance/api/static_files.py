"""The web page: files of the built UI, from memory.

Owns the list of files, their cache headers and the fallback to ``index.html`` for the page's own URLs. Refuses to know
what the page does. A path is looked up in the list that was read from the folder, so no path leads out of it.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from importlib import resources
from pathlib import Path

import msgspec
from werkzeug.datastructures import Headers

from appliance.api.dispatch import Answer

# Vite puts a hash of the content into the names below /assets/: such a file never changes (RFC 8246).
_HASHED = "/assets/"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

# Below 1 KiB the gzip frame and the client's time eat what is saved.
_WORTH_ZIPPING = 1024
_ZIPPED_TYPES = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/wasm")

# The platform's table of types may say anything or nothing about these.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
}

_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Parley</title>
<h1>The web page has not been built</h1>
<p>The server runs, but it has no web page to show. In the source folder, run <code>make web</code>, then reload.</p>
<p>The API works: see <a href="/docs">/docs</a>.</p></html>
"""


class _File(msgspec.Struct, frozen=True):
    content: bytes
    zipped: bytes | None
    media_type: str
    etag: str


def find_web_folder() -> Path | None:
    """Where the built page is: inside the installed package, else web/dist of the checkout; None: nowhere."""
    packaged = Path(str(resources.files("appliance.api"))) / "static"
    checkout = Path(str(resources.files("appliance"))).parent / "web" / "dist"
    for folder in (packaged, checkout):
        if (folder / "index.html").is_file():
            return folder
    return None


class StaticFiles:
    """The built page of one folder; read again when ``index.html`` changes."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None: looked for at each request until it is there."""
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._version: tuple[int, int] | None = None

    def answer(self, path: str, headers: Headers) -> Answer:
        """The answer to GET ``path``."""
        self._read_if_changed()
        index = self._files.get("/index.html")
        if index is None:
            return Answer(
                status=503,
                headers=[("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")],
                content=_NOT_BUILT,
            )
        file = self._files.get(path)
        if file is None:
            if "." in path.rpartition("/")[2]:  # a file that is not there, not a page's URL
                return Answer(
                    status=404,
                    headers=[("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")],
                    content=b"there is no such file\n",
                )
            file = index
        return _written(file, headers, _FOREVER if path.startswith(_HASHED) else _ASK_AGAIN)

    def _read_if_changed(self) -> None:
        folder = self._folder or find_web_folder()
        if folder is None:
            return
        try:
            stat = (folder / "index.html").stat()
        except FileNotFoundError:
            self._files, self._version = {}, None  # a build is under way
            return
        version = (stat.st_mtime_ns, stat.st_size)
        if version != self._version:
            self._files = {
                "/" + path.relative_to(folder).as_posix(): _read(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file() and not path.is_symlink()
            }
            self._version = version


def _read(path: Path) -> _File:
    content = path.read_bytes()
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zipped = None
    if len(content) >= _WORTH_ZIPPING and media_type.startswith(_ZIPPED_TYPES):
        zipped = gzip.compress(content, mtime=0)
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return _File(content, zipped, media_type, hashlib.sha256(content).hexdigest()[:32])


def _written(file: _File, headers: Headers, caching: str) -> Answer:
    accepts = [part.partition(";")[0].strip() for part in headers.get("Accept-Encoding", "").split(",")]
    content, encoding = file.content, ""
    if file.zipped is not None and "gzip" in accepts:
        content, encoding = file.zipped, "gzip"
    # RFC 9110 §8.8.3: another encoding is another representation, with its own strong tag.
    etag = f'"{file.etag}{"-gz" if encoding else ""}"'
    out = [("ETag", etag), ("Cache-Control", caching), ("Vary", "Accept-Encoding")]
    wanted = [tag.strip().removeprefix("W/") for tag in headers.get("If-None-Match", "").split(",")]
    if etag in wanted or "*" in wanted:
        return Answer(status=304, headers=out, content=b"")
    if encoding:
        out.append(("Content-Encoding", encoding))
    return Answer(status=200, headers=[("Content-Type", file.media_type), *out], content=content)
