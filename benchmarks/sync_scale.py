"""Time a sync that finds little to do, on many files and on a large index.

First 10,000 small files that have not changed: a sync beside a bare walk that stats each file, in
turn, in one process that has the embedding model loaded. Then an index of 200,000 chunks with
random vectors, one file of which changes: the sync less the time it takes to parse, cut and embed
that file; and what it takes to open the index and to ask.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from langchain_core.embeddings import Embeddings

from ingest import (
    EmbeddingModel,
    Index,
    IndexSettings,
    IndexStatus,
    embedding_model,
    sync_folder,
)
from ingest.chunking import split_document
from ingest.embeddings import wrap_embeddings
from ingest.index import snapshot
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, write_lock
from ingest.loaders import load_document

DIMENSION = 384
CHUNK_TOKENS = 64
CHUNKS_A_FILE = 10
QUESTIONS = 20
# What a sync trusts has to be older than the coarsest clock of a file system, 2 s.
SETTLED = 2.1


class RandomEmbeddings(Embeddings):
    """Gives each text a random vector of its own."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        seed = int.from_bytes(sha256(text.encode()).digest()[:8], "little")
        vector: list[float] = np.random.default_rng(seed).standard_normal(DIMENSION).tolist()
        return vector


def main() -> None:
    """Print seconds, and the ratio that is promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="small files for the first part")
    parser.add_argument("--chunks", type=int, default=200_000, help="chunks for the second part")
    parser.add_argument("--runs", type=int, default=15, help="runs that count")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        compare_with_walk(Path(folder), options.files, options.runs)
    with TemporaryDirectory() as folder:
        change_one_file(Path(folder), options.chunks, options.runs)


def compare_with_walk(folder: Path, files: int, runs: int) -> None:
    """Time a sync of files that have not changed, beside a bare walk of them."""
    settings = IndexSettings(documents=folder / "documents", index=folder / "index")
    choose = random.Random(1)
    for number in range(files):
        write(settings.documents / f"{number % 100}" / f"{number}.md", sentence(choose, 12))
    time.sleep(SETTLED)
    embedding = embedding_model(settings)
    sync_folder(settings, embedding=embedding)

    def sync() -> None:
        assert sync_folder(settings, embedding=embedding).unchanged == files

    synced, walked, scanned = alternate(
        runs,
        sync,
        lambda: walk(settings.documents),
        lambda: scan(str(settings.documents)),
    )
    command = [sys.executable, "-m", "rag_app", "index", str(settings.documents), "--quiet"]
    command += ["--index", str(settings.index)]
    apart = os.environ | {"XDG_STATE_HOME": str(settings.index.parent)}
    run = partial(subprocess.run, command, check=True, capture_output=True, env=apart)
    (process,) = alternate(3, run)
    print(f"{files:,} files, unchanged")
    print(f"  sync                       {synced * 1000:8.1f} ms")
    print(f"  os.walk and os.stat        {walked * 1000:8.1f} ms    ratio {synced / walked:.2f}")
    print(f"  os.scandir and entry.stat  {scanned * 1000:8.1f} ms    ratio {synced / scanned:.2f}")
    print(f"  the command 'rag index'    {process:8.2f} s")


def change_one_file(folder: Path, chunks: int, runs: int) -> None:
    """Time a sync that finds one changed file in a large index, and questions to that index."""
    settings = IndexSettings(
        documents=folder / "documents", index=folder / "index", chunk_tokens=CHUNK_TOKENS
    )
    choose = random.Random(2)
    for number in range(chunks // CHUNKS_A_FILE):
        write(settings.documents / f"{number % 100}" / f"{number}.txt", page(choose))
    time.sleep(SETTLED)
    embedding = wrap_embeddings(RandomEmbeddings())
    first = seconds(lambda: sync_folder(settings, embedding=embedding))
    changed = settings.documents / "7" / "7.txt"

    def sync() -> None:
        write(changed, page(choose))
        time.sleep(SETTLED)
        started = time.perf_counter()
        assert sync_folder(settings, embedding=embedding).changed == 1
        took.append(time.perf_counter() - started - parse(changed, embedding))

    took: list[float] = []
    for _ in range(runs):
        sync()
    unchanged = [seconds(lambda: sync_folder(settings, embedding=embedding)) for _ in range(runs)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        opened, asked, grown, status = pool.submit(ask, settings.index).result()
    with write_lock(settings.index), closing(Index.open(settings.index, embedding)) as index:
        rewritten = seconds(lambda: rewrite_base(index))
    print(f"{status.chunks:,} chunks in {status.documents:,} files, {status.bytes / 1e6:,.0f} MB")
    print(f"  first sync                 {first:8.1f} s")
    print(f"  unchanged                  {statistics.median(unchanged):8.3f} s")
    print(f"  one file changed, median   {statistics.median(took):8.3f} s")
    print(f"  one file changed, slowest  {max(took):8.3f} s")
    print(f"  a new base file            {rewritten:8.3f} s")
    print(f"  open and ask               {opened:8.3f} s    {grown:,.0f} MB of memory")
    print(f"  ask, median                {asked * 1000:8.1f} ms")


def rewrite_base(index: Index) -> None:
    """Write the base file as a sync does once enough has changed."""
    with Catalog(index.version / CATALOG).read() as reader:
        loaded = snapshot.Snapshot.load(reader, index.version)
    loaded.write_base(index.version)


def ask(folder: Path) -> tuple[float, float, float, IndexStatus]:
    """Open an index; return seconds to the first answer and to others, its memory and status."""
    embedding, choose, before = wrap_embeddings(RandomEmbeddings()), random.Random(3), memory()
    started = time.perf_counter()
    with closing(Index.open(folder, embedding)) as index:
        index.candidates(sentence(choose, 8), 100)
        opened = time.perf_counter() - started
        asked = [
            seconds(lambda: index.candidates(sentence(choose, 8), 100)) for _ in range(QUESTIONS)
        ]
        return opened, statistics.median(asked), memory() - before, index.status()


def walk(folder: Path) -> int:
    """Stat each file as plainly as Python can; return their bytes."""
    return sum(
        os.stat(os.path.join(root, name)).st_size
        for root, _, names in os.walk(folder)
        for name in names
    )


def scan(folder: str) -> int:
    """Stat each file as quickly as Python can; return their bytes."""
    with os.scandir(folder) as entries:
        return sum(
            scan(entry.path) if entry.is_dir() else entry.stat().st_size for entry in entries
        )


def parse(path: Path, embedding: EmbeddingModel) -> float:
    """Return how long it takes to parse, cut and embed a file."""

    def run() -> None:
        document = load_document(path.name, path.read_bytes())
        chunks = split_document(document, embedding.tokenizer, CHUNK_TOKENS, 256)
        embedding.embed_documents([chunk.embedding_text for chunk in chunks])

    return seconds(run)


def alternate(runs: int, *functions: Callable[[], object]) -> list[float]:
    """Return the median seconds of each, run in turn."""
    rounds = [[seconds(function) for function in functions] for _ in range(runs + 1)][1:]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def memory() -> float:
    """Return the most memory that this process has held, in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000


def write(path: Path, text: str) -> None:
    """Write a file and the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page(choose: random.Random) -> str:
    """Return a text of about ``CHUNKS_A_FILE`` chunks."""
    return "\n\n".join(sentence(choose, 18) for _ in range(CHUNKS_A_FILE))


def sentence(choose: random.Random, words: int) -> str:
    """Return words of which few are frequent and many are rare, as in a language."""
    numbers = (int(20_000 ** choose.random()) for _ in range(words))
    return " ".join(f"w{number}" for number in numbers) + "."


if __name__ == "__main__":
    main()
