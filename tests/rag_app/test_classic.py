"""The example with LangChain's classic classes, as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Messages, chat_server
from running import DOCUMENTS, Rag

EXAMPLE = DOCUMENTS.parents[1] / "examples" / "classic.py"


@pytest.mark.slow
def test_without_a_model_the_usage_is_told() -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nusage: classic.py [-h] PROVIDER:MODEL\n" in f"\n{done.stderr}"


@pytest.mark.slow
def test_the_classic_lines_answer_from_an_exported_index(rag: Rag) -> None:
    prompts: list[Messages] = []

    def write(messages: Messages) -> Iterator[str]:
        prompts.append(messages)
        yield "Tomas Mikolov and colleagues."

    exported = rag("export", "--langchain", "data/faiss")
    assert (exported.code, Path("data/faiss/index.faiss").is_file()) == (0, True)
    with chat_server(write) as base_url:
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "openai:m"],
            env=os.environ | {"RAG_LLM_BASE_URL": base_url},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert (done.returncode, done.stdout) == (0, "Tomas Mikolov and colleagues.\n"), done.stderr
    assert "Word2vec was published in 2013" in prompts[0][0]["content"]
    assert "Who published word2vec?" in prompts[0][-1]["content"]


@pytest.mark.slow
def test_the_classic_lines_quote_with_the_extractive_model(rag: Rag) -> None:
    assert rag("export", "--langchain", "data/faiss").code == 0

    command = [sys.executable, str(EXAMPLE), "extractive"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)

    sentence = "Word2vec was published in 2013 by Tomas Mikolov and colleagues at Google."
    assert (done.returncode, done.stdout) == (0, f"{sentence}\n"), done.stderr
