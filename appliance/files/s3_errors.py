"""What boto3's exceptions mean; pure.

Owns which of them a later attempt may mend. Texts hold the request's name and the service's code, never its message or
headers: a service may put what we sent into them.
"""

from __future__ import annotations

from appliance.files.storage import StorageUnavailableError

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}


class RefusedError(StorageUnavailableError):
    """The service answers and does not let us: trying again changes nothing, its administrator must."""


class NoSuchUploadError(RefusedError):
    """The upload in parts was finished or removed, by us or by somebody else."""


class BeyondTheEndError(Exception):
    """The object ends before the first byte that was asked for."""


def meaning(operation: str, error: Exception) -> Exception:
    """FileNotFoundError, one of the above or StorageUnavailableError; the exception itself if it is a bug of ours."""
    # Here and not above: the package is optional.
    from botocore.exceptions import (  # type: ignore[import-untyped]
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))[:100]
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return _meaning_of_answer(operation, code, status)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return RefusedError(f"{operation}: no credentials were found")
    if isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError):
        return StorageUnavailableError(f"{operation}: {type(error).__name__}")
    return error


def _meaning_of_answer(operation: str, code: str, status: int) -> Exception:
    if code == "NoSuchUpload":
        return NoSuchUploadError(f"{operation}: the upload is gone")
    if code in _MISSING:
        return FileNotFoundError(f"{operation}: {code}")
    if code == "InvalidRange" or status == 416:
        return BeyondTheEndError(operation)
    text = f"{operation}: {code or 'no code'} (HTTP {status})"
    # 408 and 429 ask to try again; 3xx is a bucket of another region.
    return RefusedError(text) if 300 <= status < 500 and status not in (408, 429) else StorageUnavailableError(text)
