"""NVIDIA Triton as a backend: a graph that a Triton server has is run there, pre- and post-processing stay here.

Owns the session that looks to a task like ONNX Runtime's; refuses to know requests. Speaks the KServe v2 inference
protocol over HTTP by the package ``tritonclient`` (extra ``triton``). A server has a graph of ours when it has a model
called ``<entry>.<role>``, as ``silero-vad.model``; its tensors must be the catalog's, as those of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from appliance.inference.entries import CatalogEntry, ModelFile
from appliance.inference.installed import ModelError
from appliance.inference.task import Session

_log = structlog.get_logger(__name__)

_NETWORK_S = 30.0
"""To connect, and for one answer: as long as a batch may take at most (`entries.CatalogEntry.max_s`)."""
_TYPES = {
    "BOOL": "tensor(bool)", "UINT8": "tensor(uint8)", "UINT16": "tensor(uint16)", "UINT32": "tensor(uint32)",
    "UINT64": "tensor(uint64)", "INT8": "tensor(int8)", "INT16": "tensor(int16)", "INT32": "tensor(int32)",
    "INT64": "tensor(int64)", "FP16": "tensor(float16)", "FP32": "tensor(float)", "FP64": "tensor(double)",
    "BYTES": "tensor(string)",
}  # fmt: skip
"""Names of element types: KServe v2's, ONNX Runtime's."""


class TritonTensor:
    """As `task.TensorInfo`."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        """``metadata``: of KServe v2's model metadata."""
        self.name = str(metadata["name"])
        self.type = _TYPES.get(str(metadata["datatype"]), str(metadata["datatype"]))
        self.shape: list[int | str | None] = [None if int(size) < 0 else int(size) for size in metadata["shape"]]


class TritonSession:
    """As `task.Session`; used by one thread."""

    def __init__(self, client: Any, name: str, metadata: Mapping[str, Any]) -> None:
        """``client``: tritonclient.http.InferenceServerClient."""
        self._client = client
        self._name = name
        self._inputs = [TritonTensor(one) for one in metadata["inputs"]]
        self._outputs = [TritonTensor(one) for one in metadata["outputs"]]

    def get_inputs(self) -> Sequence[TritonTensor]:
        """As the server says."""
        return self._inputs

    def get_outputs(self) -> Sequence[TritonTensor]:
        """As the server says."""
        return self._outputs

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], /) -> Sequence[Any]:
        """NumPy arrays, in the order asked for. ModelError ``model_unavailable`` when the server does not answer so."""
        import numpy as np
        from tritonclient.http import InferInput, InferRequestedOutput
        from tritonclient.utils import InferenceServerException, np_to_triton_dtype

        names = list(output_names) if output_names is not None else [tensor.name for tensor in self._outputs]
        inputs = []
        for name, value in input_feed.items():
            array = np.asarray(value)
            tensor = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        try:
            answer = self._client.infer(self._name, inputs, outputs=[InferRequestedOutput(name) for name in names])
            found = [answer.as_numpy(name) for name in names]
        except (InferenceServerException, OSError) as error:
            raise ModelError("model_unavailable", f"{self._name}: Triton: {error}") from error
        missing = [name for name, array in zip(names, found, strict=True) if array is None]
        if missing:
            raise ModelError("model_unavailable", f"{self._name}: Triton's answer lacks {', '.join(missing)}")
        return found


def open_triton(url: str, entry: CatalogEntry, file: ModelFile) -> Session | None:
    """The graph at the Triton server, or None when it has none of this name.

    ModelError ``model_unavailable`` when ``tritonclient`` is not installed or nobody answers. ``url``:
    ``http://host:port`` or ``https://…``.
    """
    try:
        from tritonclient.http import InferenceServerClient
        from tritonclient.utils import InferenceServerException
    except ImportError as error:
        advice = 'ai.triton_url needs the package tritonclient: pip install "parley[triton]"'
        raise ModelError("model_unavailable", advice) from error
    scheme, _, address = url.rstrip("/").partition("://")
    name = f"{entry.name}.{file.role}"
    client = InferenceServerClient(
        address, ssl=scheme == "https", connection_timeout=_NETWORK_S, network_timeout=_NETWORK_S
    )
    try:
        if not client.is_model_ready(name):
            return None
        metadata = client.get_model_metadata(name)
    except (InferenceServerException, OSError) as error:
        raise ModelError("model_unavailable", f"Triton at {url}: {error}") from error
    _log.info("ai_triton_used", model=entry.name, graph=name, server=url)
    return TritonSession(client, name, metadata)
