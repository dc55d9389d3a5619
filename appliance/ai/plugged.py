"""A model whose processor is a plugin: what stands before its graph and behind it comes from a package of its own.

Owns the plugin's life in the worker (opened when the model is loaded, closed when it is unloaded, in a trio loop of its
own), the decoding of what strangers send, and the run between `prepare` and `interpret`. A plugin that blocks is ended
with the worker, by the entry's ``max_s``; the server never waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, TypeVar

import anyio
import msgspec
import numpy as np
from anyio.from_thread import BlockingPortal, start_blocking_portal

from appliance.ai.options import request_audio, text_option
from appliance.ai.pictures import decode_picture_untrusted
from appliance.ai.sound import RATE_HZ
from appliance.ai.tasks import one_by_one
from appliance.hooks.calls import INTERPRET, PREPARE, RubbishError, result
from appliance.hooks.contract import (
    Context,
    ModelProcessor,
    ProcessorInput,
    ProcessorOutput,
    Tensor,
    TryLater,
    Undeliverable,
)
from appliance.hooks.discovery import Found, RefusedPluginError, checked, find
from appliance.hooks.yielded import hooks_of
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

GROUP = "parley.model_processors"
MAX_WHOLE_S = 600.0
"""Of a sound; as of `speech.captions`."""
MAX_TEXT_BYTES = 1024 * 1024
CALL_WITHIN_S = 30.0
"""As plugins.call_deadline_s is in the server."""

T = TypeVar("T")


class PluggedTask:
    """Task of the plugin's processor. Its one graph has any role.

    Payload: as the processor's ``input`` says: a sound as of `request_audio`, given to it mono at 16 kHz; a JPEG, PNG
    or WebP; or UTF-8. Options: ``language``. Values: ``result``, what the processor makes of the graph's answer.

    Of the entry's options: ``plugin``, its name; ``config``, a table of the keys that it takes.
    """

    name: ClassVar[str] = "plugged"

    def __init__(self, model: LoadedModel) -> None:
        """ValueError when there is no such plugin, it does another task, its keys are wrong, or it fails its sample."""
        entry = model.entry
        try:
            name = text_option(entry.options, "plugin", "")
        except TaskError as error:
            raise ValueError(f"{entry.name}: {error.message}") from None
        if len(model.sessions) != 1:
            raise ValueError(f"{entry.name}: a plugin's processor stands around one graph, not {len(model.sessions)}")
        ((_, self._session),) = model.sessions.items()
        self._stack = ExitStack()
        try:
            found = _found(name)
            plugin = checked(found.load())
            config = msgspec.convert(entry.options.get("config", {}), plugin.config)
            context = Context(name=name, parley_version=_version(), public_url="", call_deadline_s=CALL_WITHIN_S)
            self._portal: BlockingPortal = self._stack.enter_context(start_blocking_portal("trio"))
            opened = self._portal.wrap_async_context_manager(plugin.open(config, context))
            hook = hooks_of(self._stack.enter_context(opened), found.groups)[ModelProcessor]
            assert isinstance(hook, ModelProcessor)
            if hook.task != entry.task:
                raise ValueError(f"the plugin {name} does {hook.task}, the catalog says {entry.task}")
            self._hook = hook
            self._try_sample()
        except (RefusedPluginError, RubbishError, Undeliverable, TryLater, msgspec.ValidationError) as error:
            self._stack.close()
            raise ValueError(f"{entry.name}: the plugin {name}: {error}") from None
        except BaseException:
            self._stack.close()
            raise

    def unload(self) -> None:
        """The plugin ends."""
        self._stack.close()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: the plugin sees one request at a time."""
        return one_by_one(requests, self._answer)

    def _answer(self, request: Request) -> Result:
        asked = self._input(request)
        try:
            prepared = self._call(PREPARE.check, self._hook.prepare, asked)
            answered = run_graph(self._session, prepared)
            output = ProcessorOutput(input=asked, tensors=answered)
            return Result({"result": self._call(INTERPRET.check, self._hook.interpret, output)})
        except Undeliverable as error:
            raise TaskError("bad_input", error.reason) from None
        except TryLater as error:
            raise TaskError("overloaded", error.reason) from None

    def _input(self, request: Request) -> ProcessorInput:
        language = text_option(request.options, "language", "") or None
        if self._hook.input == "audio":
            samples = request_audio(request, MAX_WHOLE_S)
            return ProcessorInput(data=samples.astype("<f4").tobytes(), sample_rate_hz=RATE_HZ, language=language)
        if self._hook.input == "image":
            pixels = decode_picture_untrusted(request.payload)
            height, width = pixels.shape[:2]
            return ProcessorInput(data=pixels.tobytes(), width=width, height=height, language=language)
        if len(request.payload) > MAX_TEXT_BYTES:
            raise TaskError("bad_text", f"{len(request.payload)} bytes of text, more than {MAX_TEXT_BYTES}")
        try:
            request.payload.decode()
        except UnicodeDecodeError as error:
            raise TaskError("bad_text", f"the text is not UTF-8 at byte {error.start}") from None
        return ProcessorInput(data=request.payload, language=language)

    def _call(self, check: Callable[[object], T], function: Callable[..., Awaitable[object]], asked: object) -> T:
        async def bounded() -> object:
            with anyio.fail_after(CALL_WITHIN_S):
                return await function(asked)

        return check(self._portal.call(bounded))

    def _try_sample(self) -> None:
        """The processor's own sample; a package that fails it is not asked about anybody."""
        sample = self._hook.sample
        if not self._call(PREPARE.check, self._hook.prepare, sample.input):
            raise RefusedPluginError("prepare made no tensor of its own sample")
        output = ProcessorOutput(input=sample.input, tensors=sample.tensors)
        if self._call(INTERPRET.check, self._hook.interpret, output) != result(sample.result):
            raise RefusedPluginError("interpret does not make of its own sample what it says")


def _version() -> str:
    try:
        return version("parley")
    except PackageNotFoundError:  # run from a source tree that nobody installed
        return "0+source"


def _found(name: str) -> Found:
    there = [one for one in find() if GROUP in one.groups]
    for one in there:
        if one.name == name:
            if one.unsupported is not None:
                raise RefusedPluginError(one.unsupported)
            return one
    names = ", ".join(one.name for one in there) or "none"
    raise RefusedPluginError(f"no model processor of this name is installed; there are: {names}")


def run_graph(session: Session, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All outputs of a graph for these inputs. RubbishError for tensors that it does not take."""
    wanted = {tensor.name for tensor in session.get_inputs()}
    if set(tensors) != wanted:
        given, takes = ", ".join(sorted(tensors)) or "nothing", ", ".join(sorted(wanted))
        raise RubbishError(f"prepare made {given}, the graph takes {takes}")
    feed = {
        name: np.frombuffer(tensor.data, np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)
        for name, tensor in tensors.items()
    }
    names = [tensor.name for tensor in session.get_outputs()]
    return {
        name: _tensor(name, values) for name, values in zip(names, session.run(names, feed), strict=True)
    }


def _tensor(name: str, values: Any) -> Tensor:
    array = np.ascontiguousarray(values)
    kind = array.dtype.name
    if kind not in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"):
        raise RubbishError(f"the graph's output {name} is {kind}, which no plugin is given")
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert len(data) == math.prod(array.shape) * array.dtype.itemsize
    return Tensor(kind, tuple(array.shape), data)  # type: ignore[arg-type]  # looked at above
