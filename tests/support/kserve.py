"""A server of the KServe v2 inference protocol over HTTP, with its binary tensor extension: what Triton speaks.

Written after the published protocol (Open Inference Protocol, "HTTP/REST", and "Binary Tensor Data Extension"). Its one
model doubles a float32 input ``x`` of shape [-1, 4] into ``y``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

HEADER_LENGTH = "Inference-Header-Content-Length"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: dict[str, dict[str, Any]]
    asked: list[str]
    broken: bool

    def do_GET(self) -> None:
        self.asked.append(self.path)
        parts = self.path.strip("/").split("/")
        if parts[:2] == ["v2", "models"] and parts[2] in self.models:
            if parts[3:] == ["ready"]:
                self._answer(200, b"")
            else:
                self._answer(200, json.dumps(self.models[parts[2]]).encode())
        else:
            self._answer(400, json.dumps({"error": "no such model"}).encode())

    def do_POST(self) -> None:
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.broken:
            self._answer(500, json.dumps({"error": "out of memory"}).encode())
            return
        length = int(self.headers.get(HEADER_LENGTH, len(body)))
        request, binary = json.loads(body[:length]), body[length:]
        (tensor,) = request["inputs"]
        assert tensor["datatype"] == "FP32" and tensor["name"] == "x", tensor
        assert tensor["parameters"]["binary_data_size"] == len(binary)
        values = 2 * np.frombuffer(binary, np.float32)
        (wanted,) = request["outputs"]
        assert wanted["name"] == "y" and wanted["parameters"]["binary_data"] is True
        output = {"name": "y", "datatype": "FP32", "shape": tensor["shape"]}
        header = json.dumps(
            {"model_name": "m", "outputs": [{**output, "parameters": {"binary_data_size": values.nbytes}}]}
        ).encode()
        self._answer(200, header + values.tobytes(), header_length=len(header))

    def _answer(self, status: int, body: bytes, *, header_length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if header_length is not None:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header(HEADER_LENGTH, str(header_length))
        else:
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `asked`."""


class KServe:
    """A running one."""

    def __init__(self, url: str, handler: type[_Handler]) -> None:
        self.url = url
        self._handler = handler

    @property
    def asked(self) -> list[str]:
        """Paths of all requests."""
        return self._handler.asked

    def break_down(self) -> None:
        """From now on it answers 500."""
        self._handler.broken = True


@contextmanager
def serving_kserve(name: str, *, datatype: str = "FP32", columns: int = 4) -> Iterator[KServe]:
    """A server whose one model has this name and says that it has these tensors."""
    tensors = [{"datatype": datatype, "shape": [-1, columns]}]
    metadata = {
        "name": name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", **tensors[0]}],
        "outputs": [{"name": "y", **tensors[0]}],
    }
    handler = type("Handler", (_Handler,), {"models": {name: metadata}, "asked": [], "broken": False})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, name="kserve")
    thread.start()
    try:
        yield KServe(f"http://127.0.0.1:{server.server_port}", handler)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
