"""What a plugin is, what each hook is given and may answer: all that a plugin imports from Parley. Contract version 1.

Owns the types; refuses to know how plugins are found, run and switched off. Fields are only ever added, with a
default; a change that breaks plugins gets another `CONTRACT`, and a plugin that was built for another one is refused
with that reason.

A plugin is an object of `Plugin`, named by an entry point of its package; the entry point's name is the plugin's name,
its package's version the plugin's. ``open`` is an async context manager around the plugin's life: it is entered when
the server starts, yields the hook, and is left when the server stops or the plugin is switched off. It runs with
anyio, on trio, in a thread that belongs to this plugin alone, with its hooks. So a plugin:

- is async throughout; what blocks goes through ``anyio.to_thread.run_sync(…, abandon_on_cancel=True)``;
- lets cancellation through: a call has a deadline, and what is still running then is cancelled;
- starts tasks only in a task group that its ``open`` (or the call) owns;
- keeps its state in itself, and imports nothing of ``appliance`` but this module and ``appliance.events``;
- logs with `logging`, and puts no secret into an error's text: administrators read it;
- answers with the very types that stand here: an answer of another type, or with a field out of its bounds, is the
  plugin's failure and reaches nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from appliance.events.envelope import Envelope

CONTRACT = 1
"""What `Plugin.contract` must be."""


class PluginConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a plugin's settings: the keys of ``[plugins.<name>]``, with types, defaults and bounds.

    What bounds on one key cannot say is said in ``__post_init__`` by a ValueError whose text begins with the key, as
    ``port: must be 465 with security = "tls"``; it never repeats a value.
    """

    def __repr__(self) -> str:
        """Without values, any of which may be a password: it may get into a log."""
        return f"{type(self).__name__}(…)"


Config = TypeVar("Config", bound=PluginConfig)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the server says of itself."""

    name: str
    """The plugin's."""
    parley_version: str
    public_url: str
    """Where people reach the server, without a slash at the end; empty when nobody configured it."""
    call_deadline_s: float
    """A call that runs longer is cancelled and counts as the plugin's failure. Who waits for others gives them less and
    raises `TryLater` in time."""


# --- answers of a hook ----------------------------------------------------------------------------------------------


class Undeliverable(Exception):  # noqa: N818  # an answer, no error
    """It will never succeed, as for an address that does not exist: do not try again. No fault of the plugin."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TryLater(Exception):  # noqa: N818  # an answer, no error
    """It did not succeed now, because of somebody else: a server that is away or busy. No fault of the plugin."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        """``after_s``: the other side asked for so many seconds. What is tried again waits so long, an hour at most,
        and never less than it would have."""
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


# --- hook: notifiers ------------------------------------------------------------------------------------------------


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a notification is for. ``name`` was chosen by that person: escape it."""

    name: str
    email: str | None = None
    user_id: str | None = None
    """None for somebody without an account."""
    locale: Literal["en", "zh-CN"] = "en"
    time_zone: str = "UTC"
    """IANA name, as ``Asia/Shanghai``."""


class CalendarEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting for the recipient's calendar (RFC 5546). Times are milliseconds since the Unix epoch, UTC."""

    uid: str
    """The same for the invitation, its updates and its cancellation."""
    method: Literal["REQUEST", "CANCEL"]
    sequence: int
    """Grows with each change."""
    title: str
    start_at_ms: int
    end_at_ms: int
    organizer_name: str
    organizer_email: str | None = None
    """None: whoever sends it stands in."""
    description: str = ""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person, in that person's language.

    Texts are plain, without markup, and hold what people typed (titles, names): a notifier escapes them for its medium.
    """

    id: str
    """The same at each attempt: a medium that knows idempotency is given it."""
    kind: str
    """What it is about, as ``meeting.invited``: the event's type, or a name of its own as ``notification.test``."""
    recipient: Recipient
    title: str
    """One line."""
    body: str
    """Paragraphs, separated by empty lines."""
    created_at_ms: int
    url: str | None = None
    """Where it leads, absolute."""
    url_label: str | None = None
    """What a button to it says, as "Join the meeting"."""
    envelope: Envelope | None = None
    """The event that it comes from, where there is one."""
    calendar: CalendarEntry | None = None


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """Hook of ``parley.notifiers``: carries notifications to people."""

    notify: Callable[[Notification], Awaitable[None]]
    """Deliver one; returning means that it is on its way. Raises `Undeliverable` or `TryLater`; what else it raises is
    the plugin's failure, tried again too. The same notification may come twice, with the same id: at least once."""


# --- hook: event listeners ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EventListener:
    """Hook of ``parley.event_listeners``: is told what happened."""

    events: frozenset[str]
    """Types (``meeting.started``) and topics (``meeting_events``) of `appliance.events.catalogue`."""
    on_event: Callable[[Envelope], Awaitable[None]]
    """Hear of one; returning means that it was heard. Raises as `Notifier.notify` does, and `Undeliverable` means
    that it shall not come again. The same event may come twice, with the same id; those of one meeting come in their
    order."""


# --- hook: authenticators -------------------------------------------------------------------------------------------


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody typed to sign in, 1 to 1024 bytes each, as it was typed but for spaces around ``login``."""

    login: str
    password: str
    address: str
    """Whence, an IP address."""

    def __repr__(self) -> str:
        """Without values: some people type their password as the name."""
        return "Credentials(…)"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is. One of Parley's accounts is bound to (plugin, subject) at the first sign-in, and follows what
    changes here at later ones; names and addresses that another account has are not taken over."""

    subject: Annotated[str, Meta(min_length=1, max_length=255)]
    """The same as long as it is this person, whatever they are called: an entry's UUID rather than its name."""
    username: Annotated[str, Meta(min_length=2, max_length=50)]
    """Letters and digits, with . _ - between them. Typing it as login signs in too."""
    email: Annotated[str, Meta(min_length=3, max_length=100)]
    """Known to be theirs: invitations to this address are."""
    display_name: Annotated[str, Meta(min_length=1, max_length=80)]
    role: Literal["user", "admin"] | None = None
    """None leaves that to Parley's administrators."""


@dataclass(frozen=True, kw_only=True)
class Authenticator:
    """Hook of ``parley.authentication``: knows accounts that Parley does not.

    Asked when somebody signs in to no account that has a password of Parley's own, in the order of plugins.enabled;
    who says yes first decides. Parley's own accounts are never asked about, and work whatever happens here.
    """

    authenticate: Callable[[Credentials], Awaitable[Identity | None]]
    """Who that is; None when there is nobody of this name or the password is wrong, both after the same time, or
    strangers find out which names there are. Raises `Undeliverable` for a person who may not sign in (the audit log has
    the reason), `TryLater` when it cannot be known now. Has ten seconds, or call_deadline_s where that is less."""


# --- hook: storage --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Hook of ``parley.storage``: keeps files, as pictures and recordings; ``[storage] kind = "plugin:<name>"``.

    Keys are ``kind/name`` of at most 161 characters: ``[a-z][a-z0-9_-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*``. An object is
    whole or absent and never changes. Functions run side by side. Raise `TryLater` while the service is away.
    """

    put: Callable[[str, Path, str], Awaitable[None]]
    """``put(key, path, media_type)``: store a local file; replaces the object before. It has read all of the file when
    it returns. Has call_deadline_s and a second more for each MiB; when it is cancelled or fails, nothing stands under
    the key, or what stood there before."""
    read: Callable[[str, int, int], Awaitable[bytes | None]]
    """``read(key, start, length)``: at most ``length`` bytes from ``start`` on, fewer only at the object's end; None
    when there is no such object. ``length`` is 1 MiB at most."""
    size: Callable[[str], Awaitable[int | None]]
    """An object's bytes, counted; None when there is none."""
    delete: Callable[[str], Awaitable[bool]]
    """Remove an object; False when there was none."""


# --- hook: model processors -----------------------------------------------------------------------------------------


class Tensor(msgspec.Struct, frozen=True):
    """Numbers for a model, or of one: row by row (C order), little-endian."""

    dtype: Literal["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
    shape: tuple[Annotated[int, Meta(ge=0)], ...]
    data: bytes


MediaKind = Literal["audio", "image", "text"]
"""``audio``: float32 samples from -1 to 1, one channel. ``image``: RGB, a byte each, row by row. ``text``: UTF-8."""


class ProcessorInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is asked about."""

    data: bytes
    """As the processor's ``input`` says."""
    sample_rate_hz: int | None = None
    """Of audio."""
    width: int | None = None
    """Of an image, in pixels."""
    height: int | None = None
    language: str | None = None
    """BCP 47, where somebody said so."""


class ProcessorOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What the model made of it."""

    input: ProcessorInput
    tensors: dict[str, Tensor]


class ProcessorSample(msgspec.Struct, frozen=True, kw_only=True):
    """One request with the answer that the model gives to what `ModelProcessor.prepare` makes of it."""

    input: ProcessorInput
    tensors: dict[str, Tensor]
    result: Any
    """What `ModelProcessor.interpret` makes of the answer: what JSON can say."""


@dataclass(frozen=True, kw_only=True)
class ModelProcessor:
    """Hook of ``parley.model_processors``: what stands before a model and behind it, for one task.

    The inference worker calls it for models whose catalog entry names the plugin (plugins/README.md has one), when
    somebody asks that model: `POST /ai/models/<model>`. It runs in the worker's process, with the keys of the entry;
    ``parley plugins check`` and ``try`` run it on its sample.
    """

    task: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,49}$")]
    """As the catalog of models names it: ``vad``, ``emotion``."""
    input: MediaKind
    output: Literal["scores", "boxes", "segments", "embedding", "text"]
    """What ``interpret`` returns is about."""
    sample: ProcessorSample
    prepare: Callable[[ProcessorInput], Awaitable[dict[str, Tensor]]]
    """The model's inputs by their names. Raises `Undeliverable` for what no model can be asked, as an empty picture."""
    interpret: Callable[[ProcessorOutput], Awaitable[Any]]
    """The result, of what JSON can say; at most 4 MiB of it."""


# --- all of them ----------------------------------------------------------------------------------------------------

Hook = Notifier | EventListener | Authenticator | Storage | ModelProcessor

HOOKS: dict[str, type[Hook]] = {
    "parley.notifiers": Notifier,
    "parley.event_listeners": EventListener,
    "parley.authentication": Authenticator,
    "parley.storage": Storage,
    "parley.model_processors": ModelProcessor,
}
"""Entry-point groups, and what ``open`` yields for each."""


@dataclass(frozen=True, kw_only=True)
class Plugin(Generic[Config]):
    """What an entry point names."""

    contract: int
    """The `CONTRACT` that it is built for, written as a number."""
    summary: str
    """One line for administrators."""
    config: type[Config]
    open: Callable[[Config, Context], AbstractAsyncContextManager[Hook | tuple[Hook, ...]]]
    """Its life; see above. Yields the hook of its group, or one for each, where it stands in several groups. Raises
    when it cannot work at all; a peer that is away for now is no reason, since start-up does not wait for it."""
