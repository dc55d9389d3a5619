"""Every refusal as the envelope of errors; pure.

Owns the shape ``{"code", "message", "error", "request_id"}`` and how exceptions map to it. ``error`` begins with the
stable machine code, then ``": "`` and the field where there is one.
"""

from __future__ import annotations

import math

import msgspec
from werkzeug.exceptions import HTTPException

from appliance.errors import UserError
from appliance.files.storage import StorageUnavailableError
from appliance.store.database import DatabaseUnavailableError

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Body of every answer that is no success."""

    code: int
    """The HTTP status."""
    message: str
    """For people; one clause."""
    error: str
    """``machine_code`` or ``machine_code: field``."""
    request_id: str
    """Find it in the server's log."""


def as_user_error(error: BaseException) -> UserError | None:
    """The refusal that an exception stands for; None for one that is nobody's fault but ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, DatabaseUnavailableError):
        return UserError(503, "unavailable", "the database does not answer, try again", retry_after_s=2.0)
    if isinstance(error, StorageUnavailableError):
        return UserError(503, "unavailable", "the storage of files does not answer, try again", retry_after_s=5.0)
    if isinstance(error, HTTPException) and error.code is not None and 400 <= error.code < 500:
        code = _CODES.get(error.code, "bad_request")
        return UserError(error.code, code, (error.name or code).lower())
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return as_user_error(error.exceptions[0])
    return None


def problem(error: UserError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))  # RFC 9110 §10.2.3: whole seconds
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §11.6.1 wants one with every 401
    body = Problem(
        code=error.status,
        message=str(error),
        error=f"{error.code}: {error.field}" if error.field else error.code,
        request_id=request_id,
    )
    return error.status, headers, msgspec.json.encode(body)


def internal_error() -> UserError:
    """What the client is told of an exception that it cannot mend."""
    return UserError(500, "internal_error", "something went wrong on the server; the log has it under this request id")
