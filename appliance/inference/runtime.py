"""ONNX Runtime: what it can compute on here, and graphs opened on that. Used in the worker alone.

Owns the choice of execution providers and what is said when a graphics card is not used; the comparison of a graph's
tensors with the catalog's. Refuses to know requests. ONNX Runtime falls back to the CPU without an exception when a
library of CUDA is missing, so what a session really runs on is asked after it was opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog

from appliance.inference.entries import CatalogEntry, ModelFile, TensorSpec
from appliance.inference.installed import ModelError
from appliance.inference.messages import Device
from appliance.inference.task import LoadedModel, Session, TensorInfo

_log = structlog.get_logger(__name__)

Wanted = Literal["auto", "cpu", "cuda", "tensorrt"]

_CARDS = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/dxg")
"""Device files of NVIDIA's drivers: on Linux, on Jetson, under Windows' WSL."""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_DTYPES = {"float16": "float16", "float32": "float", "float64": "double"}
"""ONNX Runtime's names of element types where they are not NumPy's."""
_QUIET = 3
"""ONNX Runtime's severity: errors only; what a user can do something about we say ourselves."""


def card_is_there() -> bool:
    """Whether a graphics card that CUDA could use shows itself."""
    return any(Path(card).exists() for card in _CARDS)


def choose_device(
    wanted: Wanted, available: Sequence[str], *, card: bool, runtime: str, threads: int
) -> Device:
    """What to compute on, and warnings that name what is not used and why.

    TensorRT only on request: it builds an engine for each graph and shape, which takes minutes the first time.
    """
    warnings = []
    cuda, tensorrt = _PROVIDERS["cuda"] in available, _PROVIDERS["tensorrt"] in available
    used = "cpu"
    if wanted == "tensorrt" and tensorrt:
        used = "tensorrt"
    elif wanted in ("auto", "cuda", "tensorrt") and cuda and (card or wanted != "auto"):
        used = "cuda"
    if wanted == "tensorrt" and used != "tensorrt":
        warnings.append(f'ai.device = "tensorrt", and this ONNX Runtime has no TensorRT: {used} is used')
    if wanted in ("cuda", "tensorrt") and used == "cpu":
        warnings.append(
            f'ai.device = "{wanted}", and this ONNX Runtime has no CUDA: the CPU is used. '
            'Install onnxruntime-gpu in place of onnxruntime: pip uninstall onnxruntime; pip install "parley[gpu]"'
        )
    if wanted in ("cuda", "tensorrt") and not card:
        warnings.append(f'ai.device = "{wanted}", and no graphics card of NVIDIA shows itself ({", ".join(_CARDS)})')
    if wanted == "auto" and card and used == "cpu":
        warnings.append(
            "a graphics card is there and not used, because this ONNX Runtime has no CUDA. "
            'pip uninstall onnxruntime; pip install "parley[gpu]", or set ai.device = "cpu" if that is meant'
        )
    return Device(
        wanted=wanted,
        used=used,
        available=tuple(available),
        runtime=runtime,
        threads=threads,
        warnings=tuple(warnings),
    )


def find_device(wanted: Wanted, threads: int) -> Device:
    """`choose_device` for this machine. ``threads`` 0: one fewer than this process may use, at least one.

    ModelError ``model_unavailable`` when ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        advice = 'pip install "parley[cpu]", or "parley[gpu]" for a graphics card'
        raise ModelError("model_unavailable", f"ONNX Runtime cannot be used ({error}): {advice}") from error
    onnxruntime.set_default_logger_severity(_QUIET)
    device = choose_device(
        wanted,
        onnxruntime.get_available_providers(),
        card=card_is_there(),
        runtime=f"onnxruntime {onnxruntime.__version__}",
        threads=threads or max(1, len(os.sched_getaffinity(0)) - 1),
    )
    if device.used != "cpu":
        onnxruntime.preload_dlls()  # CUDA's libraries of the packages that the extra brings, if they are there
    return device


def open_graph(path: Path, device: Device, cache: Path) -> Any:
    """An onnxruntime.InferenceSession on the device. ModelError ``model_broken`` when it is no graph.

    ``cache``: a folder for engines that TensorRT builds.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    # idle threads that spin would take a core from the media for nothing
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=_providers(device.used, cache))
    except Exception as error:  # ONNX Runtime raises plain RuntimeErrors and types of its own
        raise ModelError("model_broken", f"{path.name}: ONNX Runtime refuses it: {error}") from error


def _providers(used: str, cache: Path) -> list[Any]:
    found: list[Any] = []
    if used == "tensorrt":
        found.append((_PROVIDERS["tensorrt"], {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(cache)}))
    if used in ("tensorrt", "cuda"):
        # heuristic: an exhaustive search for each new length of sound takes seconds
        found.append((_PROVIDERS["cuda"], {"cudnn_conv_algo_search": "HEURISTIC"}))
    return [*found, _PROVIDERS["cpu"]]


def check_tensors(entry: CatalogEntry, file: ModelFile, session: Session) -> None:
    """ModelError ``model_broken`` that names each tensor that is missing or another one than the catalog says."""
    wrong = [
        *_differences("input", file.inputs, session.get_inputs(), complete=True),
        *_differences("output", file.outputs, session.get_outputs(), complete=False),
    ]
    if wrong:
        raise ModelError("model_broken", f"{entry.name}: {file.name}: {'; '.join(wrong)}")


def _differences(kind: str, wanted: Sequence[TensorSpec], there: Sequence[TensorInfo], *, complete: bool) -> list[str]:
    found = {tensor.name: tensor for tensor in there}
    wrong = []
    for spec in wanted:
        tensor = found.pop(spec.name, None)
        if tensor is None:
            wrong.append(f"{kind} {spec.name!r} is missing")
            continue
        if tensor.type != (wanted_type := f"tensor({_DTYPES.get(spec.dtype, spec.dtype)})"):
            wrong.append(f"{kind} {spec.name!r} is {tensor.type} instead of {wanted_type}")
        if not _fits(spec.shape, tensor.shape):
            wrong.append(f"{kind} {spec.name!r} has shape {list(tensor.shape)} instead of {list(spec.shape)}")
    if complete:  # an output more harms nobody; an input more is never fed
        wrong += [f"{kind} {name!r} is not in the catalog" for name in found]
    return wrong


def _fits(wanted: Sequence[int | str], there: Sequence[int | str | None]) -> bool:
    """A number must be that number; a free dimension may be fixed to nothing."""
    if len(wanted) != len(there):
        return False
    return all(
        there_one == one if isinstance(one, int) else not isinstance(there_one, int)
        for one, there_one in zip(wanted, there, strict=True)
    )


Open = Callable[[CatalogEntry, ModelFile, Path], Session]
"""Opens one graph of a model."""


def load_model(entry: CatalogEntry, folder: Path, open_one: Open) -> LoadedModel:
    """Open all graphs of a model whose files were checked. ModelError ``model_broken``."""
    sessions: dict[str, Session] = {}
    for file in entry.files:
        if file.is_graph:
            session = open_one(entry, file, folder / file.name)
            check_tensors(entry, file, session)
            sessions[file.role] = session
    return LoadedModel(entry, folder, sessions)


def providers_of(model: LoadedModel, device: Device) -> tuple[str, ...]:
    """What really runs the graphs, for people; logs loudly when it is not what was chosen."""
    found: list[str] = []
    for session in model.sessions.values():
        asked = getattr(session, "get_providers", None)
        names = ("Triton",) if asked is None else tuple(asked())
        found += [name for name in names[:1] if name not in found]
    wanted = _PROVIDERS[device.used]
    if device.used != "cpu" and found and wanted not in found and found != ["Triton"]:
        reason = "a library of CUDA is missing or of another version"
        _log.warning("ai_gpu_not_used", model=model.entry.name, wanted=wanted, used=found, reason=reason)
    return tuple(found)
