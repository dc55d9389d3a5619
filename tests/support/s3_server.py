"""A real S3 service for tests: moto's server, a process on a free port of 127.0.0.1 with everything in memory."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3  # type: ignore[import-untyped]

from appliance.settings import StorageSettings
from tests.support.children import die_with_parent
from tests.support.ports import free_port

START_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
SECRET = "hidden secret"


@dataclass
class S3Server:
    """The service and a client that looks behind the product's back."""

    port: int
    bucket: str
    client: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changed: Any) -> StorageSettings:
        """Of a storage in the bucket."""
        values = {
            "kind": "s3",
            "endpoint_url": self.url,
            "bucket": self.bucket,
            "access_key": "someone",
            "secret_key": SECRET,
            **changed,
        }
        return StorageSettings(**values)

    def names(self) -> list[str]:
        """Of all objects."""
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def content(self, key: str) -> bytes:
        """Of an object."""
        body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
        with body:
            return bytes(body.read())

    def unfinished(self) -> dict[str, list[int]]:
        """Parts of the uploads that are not finished, by the object's name."""
        found = {}
        for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            of_upload = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            found[upload["Key"]] = [part["PartNumber"] for part in self.client.list_parts(**of_upload).get("Parts", [])]
        return found


@contextmanager
def running_s3(bucket: str = "files") -> Iterator[S3Server]:
    """Started, with an empty bucket; stopped at the end."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        _wait(process, port)
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket=bucket)
        try:
            yield S3Server(port, bucket, client)
        finally:
            client.close()
    finally:
        process.kill()
        process.wait(STOP_WITHIN_S)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        assert process.poll() is None, f"moto's server ended with {process.returncode}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/moto-api/")
            connection.getresponse().read()
            return
        except OSError:
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.05)
        finally:
            connection.close()
