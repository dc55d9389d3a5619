"""A server that is killed while somebody uploads goes on where it was: on its own disk, and at an S3 service."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import time
from pathlib import Path

from tests.support.http_client import HttpClient
from tests.support.s3_server import SECRET, running_s3
from tests.support.server import Server, running_server
from tests.support.uploaded import film
from tests.support.waiting import wait_for

MIB = 1024 * 1024
GENEROUS = {"PARLEY_LIMITS__UPLOAD_PER_MINUTE": "10000"}


def content(size: int) -> bytes:
    """A film with so many bytes behind it, in a box of its own."""
    return film("mp4") + b"\x00\x00\x00\x00free" + random.Random(size).randbytes(size)


class Upload:
    """Somebody who uploads, over one raw connection at a time."""

    def __init__(self, server: Server, who: HttpClient, data: bytes) -> None:
        self._port = server.http_port
        self._headers = {"Authorization": f"Bearer {who.token}", "Tus-Resumable": "1.0.0"}
        self._data = data
        _, answer = self._ask("POST", "/api/v1/media/uploads", {"Upload-Length": str(len(data))})
        self.path = answer["Location"]

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, headers={**self._headers, **headers})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()

    def offset(self) -> int:
        status, headers = self._ask("HEAD", self.path, {})
        assert status == 200
        return int(headers["Upload-Offset"])

    def begin(self, offset: int) -> socket.socket:
        """A PATCH that has sent its head."""
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        lines = {
            **self._headers,
            "Host": "x",
            "Upload-Offset": str(offset),
            "Content-Length": str(len(self._data) - offset),
            "Content-Type": "application/offset+octet-stream",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        sock.sendall(f"PATCH {self.path} HTTP/1.1\r\n{head}\r\n".encode())
        return sock

    def finish(self, offset: int) -> None:
        with self.begin(offset) as sock:
            sock.sendall(self._data[offset:])
            assert b" 204 " in sock.recv(1000)

    def downloaded(self) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", self.path.replace("/uploads", ""), headers=self._headers)
            return connection.getresponse().read()
        finally:
            connection.close()


def test_kills_while_bytes_come(tmp_path: Path) -> None:
    """At four seeded instants of one upload; each time most of what was sent is there."""
    dice = random.Random(7)
    data = content(60 * MIB)
    with running_server(tmp_path, GENEROUS) as server:
        upload = Upload(server, server.client().register("ana", "Ana"), data)
        offset = 0
        for _ in range(4):
            with upload.begin(offset) as sock:
                until = offset + dice.randrange(2 * MIB, 10 * MIB)
                sent = offset
                while sent < until:
                    sock.sendall(data[sent : sent + 65_536])
                    sent += 65_536
                server.kill()
            server.start()
            now = upload.offset()
            # On its way were the kernels' buffers, and what waits for the disk.
            assert max(offset, sent - 12 * MIB) <= now <= sent
            offset = now
        assert offset > 0
        upload.finish(offset)
        assert hashlib.sha256(upload.downloaded()).digest() == hashlib.sha256(data).digest()
        assert list((server.data_folder / "uploads").iterdir()) == []


def test_a_kill_while_parts_go_to_s3(tmp_path: Path) -> None:
    data = content(150 * MIB)
    with running_s3() as s3:
        environment = {
            **GENEROUS,
            "PARLEY_STORAGE__KIND": "s3",
            "PARLEY_STORAGE__ENDPOINT_URL": s3.url,
            "PARLEY_STORAGE__BUCKET": s3.bucket,
            "PARLEY_STORAGE__ACCESS_KEY": "someone",
            "PARLEY_STORAGE__SECRET_KEY": SECRET,
        }
        with running_server(tmp_path, environment) as server:
            upload = Upload(server, server.client().register("ana", "Ana"), data)
            with upload.begin(0) as sock:
                sock.sendall(data)
                wait_for(lambda: any(len(parts) >= 2 for parts in s3.unfinished().values()), within_s=60)
                server.kill()
            assert s3.names() == []
            server.start()
            assert upload.offset() == len(data)  # which also brings it to its end
            assert metric(server, "parts_kept") >= 2
            assert s3.unfinished() == {}
            assert hashlib.sha256(upload.downloaded()).digest() == hashlib.sha256(data).digest()
            assert SECRET not in server.log()


def metric(server: Server, kind: str) -> float:
    """Of the storage."""
    time.sleep(0.1)
    for line in server.client().text("/metrics").splitlines():
        if line.startswith(f'storage_calls_total{{kind="{kind}"}}'):
            return float(line.rpartition(" ")[2])
    raise KeyError(kind)
