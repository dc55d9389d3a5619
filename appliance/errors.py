"""Errors by who must act: the user, the administrator, or (every other exception) whoever wrote the program.

Owns the exception types that cross package borders; refuses to know how an answer or a frame is written.
Texts are lower case, one clause, and name the field and the value received.
"""


class ParleyError(Exception):
    """Base of the errors that this program raises on purpose; ``str()`` is for people, ``code`` for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UserError(ParleyError):
    """The caller at the other end of the wire must act: an HTTP answer, or an ``error`` frame on the socket."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """``status`` is the HTTP status; ``field`` the path of the offending field, as ``publish[0].mid``."""
        super().__init__(code, message)
        self.status = status
        self.field = field
        self.retry_after_s = retry_after_s


class ConfigError(ParleyError):
    """The administrator must act: printed as one line on stderr, exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__("config", message)
