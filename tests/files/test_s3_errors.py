"""What the service says decides whether to try again, and no secret is repeated."""

from __future__ import annotations

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from appliance.files.s3_errors import BeyondTheEndError, NoSuchUploadError, RefusedError, meaning
from appliance.files.storage import StorageUnavailableError


def answer(code: str, status: int) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": "hidden", "StringToSign": "hidden"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("NoSuchKey", 404), FileNotFoundError),
        (answer("404", 404), FileNotFoundError),
        (answer("NoSuchBucket", 404), FileNotFoundError),
        (answer("NoSuchUpload", 404), NoSuchUploadError),
        (answer("InvalidRange", 416), BeyondTheEndError),
        (answer("AccessDenied", 403), RefusedError),
        (answer("SignatureDoesNotMatch", 403), RefusedError),
        (answer("PermanentRedirect", 301), RefusedError),
        (NoCredentialsError(), RefusedError),
        (answer("SlowDown", 503), StorageUnavailableError),
        (answer("TooManyRequests", 429), StorageUnavailableError),
        (answer("RequestTimeout", 408), StorageUnavailableError),
        (answer("", 500), StorageUnavailableError),
        (EndpointConnectionError(endpoint_url="http://hidden"), StorageUnavailableError),
        (ReadTimeoutError(endpoint_url="http://hidden"), StorageUnavailableError),
    ],
)
def test_meanings(error: Exception, kind: type[Exception]) -> None:
    found = meaning("get_object", error)
    assert type(found) is kind
    assert "hidden" not in str(found)


def test_our_own_bugs_stay_what_they_are() -> None:
    for bug in (ParamValidationError(report="x"), KeyError("x")):
        assert meaning("get_object", bug) is bug
