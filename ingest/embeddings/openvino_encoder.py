"""A BERT encoder compiled by OpenVINO for this CPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embeddings.bert import BertWeights
from ingest.embeddings.compile_cache import cache_file, is_writable, read_compiled, write_compiled

# Store the compiled network without its weights: it then has 0.4 MB and loads in half the time.
_POINT_TO_WEIGHTS = {"CACHE_MODE": "OPTIMIZE_SIZE"}

_import_lock = threading.Lock()

ReadWeights = Callable[[], BertWeights]


class Encoder:
    """The compiled network with one inference request per stream; safe to share between threads."""

    def __init__(self, name: str, digest: str, read_weights: ReadWeights) -> None:
        """Load the compiled network from the cache, or compile it.

        Args:
            name: The name of the model.
            digest: SHA-256 of its weights.
            read_weights: Reads them; called only to compile.
        """
        openvino = import_openvino()
        core = openvino.Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = "bf16" if "BF16" in capabilities else "f32"
        options = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "THROUGHPUT",
        }
        compiled = _compile(core, options, name, digest, read_weights)
        self.streams: int = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.streams):
            self._requests.put(compiled.create_infer_request())

    def encode(
        self, ids: NDArray[np.int32], mask: NDArray[np.float32], stretches: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return vectors of length 1; for the shapes see `bert_graph.build_graph`."""
        request = self._requests.get()
        try:
            request.infer([ids, mask, stretches], share_inputs=True)
            vectors: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        finally:
            self._requests.put(request)
        return vectors


def import_openvino() -> ModuleType:
    """Return the openvino module, imported without its model converter.

    The converter reports every import to an analytics server and takes longer to import than the
    rest; openvino ignores it if its import fails.
    """
    converter = "openvino.tools.ovc"
    with _import_lock:
        hidden = "openvino" not in sys.modules
        if hidden:
            sys.modules[converter] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            if hidden:
                del sys.modules[converter]
        if hidden:
            _touch_numpy(openvino)
    module: ModuleType = openvino
    return module


def _touch_numpy(openvino: Any) -> None:
    """Make openvino look up numpy now: two threads that do so first deadlock."""
    openvino.Type.f32.to_dtype()
    openvino.Tensor(np.zeros(1, np.float32)).data.copy()


def _compile(
    core: Any, options: dict[str, str], name: str, digest: str, read_weights: ReadWeights
) -> Any:
    """Return the network from the cache, or compile it and add it to the cache."""
    cpu = core.get_property("CPU", "FULL_DEVICE_NAME")
    version = import_openvino().__version__
    source = Path(__file__).with_name("bert_graph.py").read_text("utf-8")
    cached = cache_file(name, (source, version, cpu, digest, *options.values()))
    compiled = read_compiled(cached)
    if compiled is not None:
        try:
            place = {"WEIGHTS_PATH": str(cached), **_POINT_TO_WEIGHTS}
            return core.import_model(compiled, "CPU", options | place)
        except RuntimeError:
            cached.unlink(missing_ok=True)
    graph = _graph(name, read_weights)
    if not is_writable(cached):
        return core.compile_model(graph, "CPU", options)
    return _compile_and_keep(core, options, graph, cached)


def _graph(name: str, read_weights: ReadWeights) -> Any:
    from ingest.embeddings.bert_graph import build_graph

    return build_graph(read_weights(), name)


def _compile_and_keep(core: Any, options: dict[str, str], graph: Any, cached: Path) -> Any:
    try:
        with TemporaryDirectory(dir=cached.parent, ignore_cleanup_errors=True) as folder:
            saved = Path(folder, "graph.xml")
            import_openvino().save_model(graph, saved, compress_to_fp16=False)
            compiled = core.compile_model(saved, "CPU", options | _POINT_TO_WEIGHTS)
            exported = compiled.export_model().getvalue()
            write_compiled(cached, saved.with_suffix(".bin").read_bytes(), exported)
            return compiled
    # Best effort: a full disk must not prevent an answer.
    except (OSError, RuntimeError):
        return core.compile_model(graph, "CPU", options)
