"""Open an index with other embedding models than its own: each is refused, by name."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from corpus import WordEmbeddings, word_embedding, write_documents
from outcome import Outcome

from ingest import EmbeddingModel, IdentityError, Index, IndexSettings, sync_folder
from ingest.embeddings import EmbeddingIdentity

COMMAND = "rag index --rebuild"

# One kind of difference each: field, and a value that is not ``before``.
OTHER: dict[str, Callable[[random.Random, EmbeddingIdentity], object]] = {
    "provider": lambda choose, before: f"provider{choose.randrange(1000)}",
    "model": lambda choose, before: f"model-{choose.randrange(1000)}",
    "weights": lambda choose, before: choose.randbytes(32).hex(),
    "dimension": lambda choose, before: before.dimension + choose.choice((-1, 1, 16, 352)),
    "normalized": lambda choose, before: not before.normalized,
    "query_prompt": lambda choose, before: f"query {choose.randrange(1000)}: ",
    "document_prompt": lambda choose, before: f"passage {choose.randrange(1000)}: ",
    "max_tokens": lambda choose, before: before.max_tokens + choose.randrange(1, 1000),
    "precision": lambda choose, before: f"int{choose.randrange(2, 16)}",
}


def refuse_other_models(count: int, folder: Path) -> Outcome:
    """Open, sync and search an index with ``count`` models that differ from its own."""
    settings = IndexSettings(documents=folder / "documents", index=folder / "index")
    settings.documents.mkdir(parents=True)
    write_documents(settings.documents, 5, seed=1)
    own = word_embedding()
    sync_folder(settings, embedding=own)
    files = _digests(settings.index)
    results = [_try(number, settings, own, files) for number in range(count)]
    Index.open(settings.index, own).close()
    breaks = [f"model {n}: {kind}: {wrong}" for n, (kind, wrong) in enumerate(results) if wrong]
    kinds = Counter(kind for kind, wrong in results if not wrong)
    return Outcome(
        promise="an index is never searched with another embedding model",
        tried=count,
        kept=count - len(breaks),
        breaks=tuple(breaks),
        facts=tuple((f"refused, other {kind}", number) for kind, number in sorted(kinds.items())),
    )


def _try(
    number: int, settings: IndexSettings, own: EmbeddingModel, files: dict[str, bytes]
) -> tuple[str, str]:
    """Return the first field that differs, and what was wrong."""
    choose = random.Random(number)
    fields = choose.sample(list(OTHER), choose.choice((1, 1, 1, 2, 3)))
    fields[0] = list(OTHER)[number % len(OTHER)]
    other = _other_model(own, {name: OTHER[name](choose, own.identity) for name in set(fields)})
    uses: dict[str, Callable[[], object]] = {
        "open": lambda: Index.open(settings.index, other),
        "sync": lambda: sync_folder(settings, embedding=other),
    }
    for use, attempt in uses.items():
        wrong = _refusal(attempt, own, other, fields)
        if not wrong and _digests(settings.index) != files:
            wrong = "the files of the index have changed"
        if wrong:
            return fields[0], f"{use}: {wrong}"
    return fields[0], ""


def _other_model(own: EmbeddingModel, changes: dict[str, object]) -> EmbeddingModel:
    embeddings = WordEmbeddings()
    embeddings.dimension = int(str(changes.get("dimension", own.identity.dimension)))
    identity = replace(own.identity, **changes)  # type: ignore[arg-type]
    return EmbeddingModel(embeddings, identity, own.tokenizer)


def _refusal(
    attempt: Callable[[], object], own: EmbeddingModel, other: EmbeddingModel, fields: list[str]
) -> str:
    """Return what was wrong with how an attempt was refused."""
    try:
        attempt()
    except IdentityError as error:
        said = str(error)
        needed = (own.name, other.name, COMMAND, *fields)
        unsaid = [word for word in needed if word not in said]
        return f"the message lacks {unsaid}: {said}" if unsaid else ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "not refused"


def _digests(folder: Path) -> dict[str, bytes]:
    """Return the digest of every file but what readers share, which is empty or their locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not _is_shared(path)]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).digest() for path in paths}


def _is_shared(path: Path) -> bool:
    return path.name.endswith("-shm") or (path.name.endswith("-wal") and not path.stat().st_size)
