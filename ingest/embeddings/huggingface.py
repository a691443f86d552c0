"""Any Sentence Transformers model, from a folder or the Hugging Face hub."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from langchain_huggingface import HuggingFaceEmbeddings
from pydantic import PrivateAttr
from tokenizers import Tokenizer

from ingest.embeddings.model import EmbeddingModel
from ingest.embeddings.types import EmbeddingIdentity
from ingest.errors import UsageError

# Only safetensors: other formats of weights can run code when they are loaded.
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_OTHER_RUNTIMES = ["onnx/*", "openvino/*"]
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class SentenceTransformerEmbeddings(HuggingFaceEmbeddings):
    """HuggingFaceEmbeddings, one call at a time: its tokenizer is not thread-safe."""

    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def _embed(self, texts: list[str], encode_kwargs: dict[str, Any]) -> list[list[float]]:
        with self._lock:
            return super()._embed(texts, encode_kwargs)


def huggingface_model(name: str) -> EmbeddingModel:
    """Return the model of a folder or hub id; raises UsageError if it can't be loaded."""
    folder = model_folder(name)
    embeddings = _load(name, folder)
    network: Any = embeddings._client
    query_prompt, document_prompt = _prompts(network.prompts)
    embeddings.encode_kwargs = {"normalize_embeddings": True, "prompt": document_prompt}
    embeddings.query_encode_kwargs = {"normalize_embeddings": True, "prompt": query_prompt}
    identity = EmbeddingIdentity(
        provider="huggingface",
        model=name,
        weights=_digest(folder),
        dimension=network.get_embedding_dimension(),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        max_tokens=network.max_seq_length or network.tokenizer.model_max_length,
        precision=str(network.dtype).removeprefix("torch."),
    )
    return EmbeddingModel(embeddings, identity, _tokenizer(name, network))


def model_folder(name: str) -> Path:
    """Return the folder itself, its cached copy from the hub, or a download; raises UsageError."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or name.startswith((".", "~")):
        raise UsageError(f"huggingface:{name} is not a folder; give a folder or a hub id")
    try:
        return _cached(name) or Path(
            snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_OTHER_RUNTIMES)
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UsageError(
            f"huggingface:{name} is neither a folder, nor on this disk, nor could the hub be "
            f"asked for it ({type(error).__name__}); check the id and the connection, "
            "or give the folder of the model"
        ) from None


def _cached(name: str) -> Path | None:
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if any(folder.rglob("*.safetensors")) else None


def _load(name: str, folder: Path) -> SentenceTransformerEmbeddings:
    if not any(folder.rglob("*.safetensors")):
        raise UsageError(f"huggingface:{name} has no .safetensors weights in {folder}")
    try:
        return SentenceTransformerEmbeddings(
            model_name=str(folder),
            model_kwargs={
                "local_files_only": True,
                "trust_remote_code": False,
                "model_kwargs": {"use_safetensors": True},
            },
        )
    # A damaged folder can raise almost anything.
    except Exception as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"huggingface:{name} can't be loaded from {folder}: {cause}") from None


def _prompts(prompts: dict[str, str | None]) -> tuple[str, str]:
    """Return the prompts that encode_query and encode_document use."""
    documents = (prompts.get(name) for name in _DOCUMENT_PROMPTS)
    return prompts.get("query") or "", next(filter(None, documents), "")


def _digest(folder: Path) -> str:
    """Return the SHA-256 over the paths and contents of the folder's safetensors files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\0".encode())
    return digest.hexdigest()


def _tokenizer(name: str, network: Any) -> Tokenizer:
    backend = getattr(network.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UsageError(f"huggingface:{name} has no fast tokenizer (tokenizer.json)")
    tokenizer: Tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
