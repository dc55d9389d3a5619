"""Objects at a service that speaks Amazon's S3 protocol, by boto3.

Owns the client, its threads and single requests; `s3_upload` sends large files in parts, `s3_errors` says what went
wrong. Refuses to know what is stored. boto3 blocks, so each request runs in a thread; how often it is repeated, and how
long botocore waits between, is botocore's business (mode "standard": exponential, with jitter).

The package is optional (``pip install "parley[s3]"``): most servers keep their files themselves.

Rejected: an asynchronous S3 client. The ones there are want asyncio, or sign requests with code of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
import trio

from appliance.errors import ConfigError
from appliance.files.s3_errors import BeyondTheEndError, RefusedError, meaning
from appliance.files.s3_upload import remove_unfinished, upload
from appliance.files.storage import StorageUnavailableError, check_range, split_key
from appliance.settings import StorageSettings

_log = structlog.get_logger(__name__)

# Requests under way at once, each in a thread; botocore's pool has a connection for each.
_THREADS = 16
# Large files that are sent at once: each has a part of 16 MiB in memory.
_UPLOADS = 2
_CONNECT_WITHIN_S = 5
# Between two pieces of an answer, and for a service to store a part of 16 MiB that it was sent.
_READ_WITHIN_S = 30
_ATTEMPTS = 3


class S3Storage:
    """Objects of one bucket below a prefix; made by `open_s3_storage`."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        """``client``: boto3's, for S3."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._uploading = trio.CapacityLimiter(_UPLOADS)
        self._reads = 0
        self._writes = 0
        self._deletes = 0
        self._failures = 0
        self._parts = {"parts_sent": 0, "parts_kept": 0}

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """See `ObjectStorage.put_file`. Goes on with the parts that an earlier attempt left at the service."""
        name = self._name(key)
        self._writes += 1
        async with self._uploading:
            await upload(self.request, name, path, content_type, self._parts)

    async def write(self, key: str, data: bytes) -> None:
        """See `ObjectStorage.write`."""
        self._writes += 1
        await self.request("put_object", Key=self._name(key), Body=data)

    async def read(self, key: str) -> bytes:
        """See `ObjectStorage.read`."""
        self._reads += 1
        return bytes(await self.request("get_object", Key=self._name(key)))

    async def size(self, key: str) -> int:
        """See `ObjectStorage.size`."""
        self._reads += 1
        return int((await self.request("head_object", Key=self._name(key)))["ContentLength"])

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStorage.read_range`."""
        check_range(start, length)
        self._reads += 1
        try:
            return bytes(
                await self.request("get_object", Key=self._name(key), Range=f"bytes={start}-{start + length - 1}")
            )
        except BeyondTheEndError:
            return b""

    async def delete(self, key: str) -> bool:
        """See `ObjectStorage.delete`. S3 itself does not say whether there was one, hence the look before."""
        name = self._name(key)
        self._deletes += 1
        try:
            await self.request("head_object", Key=name)
        except FileNotFoundError:
            return False
        await self.request("delete_object", Key=name)
        return True

    async def forget_unfinished(self, before_ms: int) -> int:
        """See `ObjectStorage.forget_unfinished`: below our prefix only, since others may use the bucket too."""
        return await remove_unfinished(self.request, self._prefix, before_ms)

    def statistics(self) -> dict[str, int]:
        """See `ObjectStorage.statistics`; with requests that failed for good, and the parts of large files."""
        return {
            "reads": self._reads,
            "writes": self._writes,
            "deletes": self._deletes,
            "failures": self._failures,
            **self._parts,
            "waiting": self._limiter.statistics().tasks_waiting + self._uploading.statistics().tasks_waiting,
        }

    async def request(self, operation: str, /, **arguments: Any) -> Any:
        """One request of boto3's client about the bucket: its answer; for ``get_object`` the object's bytes.

        FileNotFoundError, `s3_errors`, or StorageUnavailableError after the last attempt. A task that is cancelled
        leaves its thread behind until the request ends; whatever is asked for here may also happen late.
        """
        return await trio.to_thread.run_sync(
            self._request, operation, arguments, limiter=self._limiter, abandon_on_cancel=True
        )

    def _request(self, operation: str, arguments: dict[str, Any]) -> Any:
        # botocore repeats requests, but not the reading of an answer that broke off.
        for left in reversed(range(_ATTEMPTS)):
            reading = False
            try:
                answer = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
                if operation != "get_object":
                    return answer
                reading = True
                return answer["Body"].read()
            except Exception as error:
                known = meaning(operation, error)
                if reading and left and isinstance(known, StorageUnavailableError):
                    continue
                if isinstance(known, StorageUnavailableError):
                    self._failures += 1
                raise known from None
        raise AssertionError("the last attempt returns or raises")

    def _name(self, key: str) -> str:
        split_key(key)
        return self._prefix + key

    def close(self) -> None:
        """Close the connections; once, at the end."""
        self._client.close()


@asynccontextmanager
async def open_s3_storage(settings: StorageSettings) -> AsyncIterator[S3Storage]:
    """The bucket that the settings name. ConfigError when the package is missing or the bucket is not ours to use.

    That a service does not answer now is only logged: meetings go on without it, and it may come back.
    """
    storage = await trio.to_thread.run_sync(_make_storage, settings)
    try:
        await _look_at_bucket(storage, settings.bucket)
        yield storage
    finally:
        storage.close()


async def _look_at_bucket(storage: S3Storage, bucket: str) -> None:
    try:
        await storage.request("head_bucket")
    except FileNotFoundError:
        raise ConfigError(f"storage.bucket = {bucket!r}: there is no such bucket") from None
    except RefusedError as error:
        raise ConfigError(f"storage.bucket = {bucket!r}: the service refuses it to us: {error}") from None
    except StorageUnavailableError as error:
        _log.warning("storage_unavailable", bucket=bucket, reason=str(error))


def _make_storage(settings: StorageSettings) -> S3Storage:
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError('storage.kind = \'s3\': needs a package more, run: pip install "parley[s3]"') from None
    config = Config(
        connect_timeout=_CONNECT_WITHIN_S,
        read_timeout=_READ_WITHIN_S,
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        max_pool_connections=_THREADS,
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
        # Checksums of other kinds than MD5 are Amazon's alone; many services refuse requests that carry them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
    )
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.endpoint_url or None,
            region_name=settings.region or "us-east-1",  # a signature holds one; services without regions ignore it
            aws_access_key_id=settings.access_key or None,
            aws_secret_access_key=settings.secret_key or None,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"storage: {type(error).__name__}: boto3 cannot use this configuration") from error
    return S3Storage(client, settings.bucket, settings.prefix)
