"""``rag doctor``: what works, what leaves the machine, and what to do about the rest."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import typer

from rag_app.cli.options import AsJson, Debug, Index, Llm, Prompt, Quiet
from rag_app.cli.output import print_json, printable

if TYPE_CHECKING:
    from rag_app.settings import Settings

EXTRAS = {
    "openai": ("langchain_openai",),
    "huggingface": ("torch", "transformers", "sentence_transformers", "langchain_huggingface"),
    "compat": ("langchain_classic", "langchain_community"),
}
LOCAL_PROVIDERS = {"bundled", "extractive", "huggingface"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``exit_code`` is 0 unless it has to be mended."""

    check: str
    state: Literal["ok", "note", "fail"]
    detail: str
    exit_code: int = 0


def doctor(
    llm: Llm = None,
    prompt: Prompt = None,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Check the settings, the models, the prompt and the index."""
    from ingest import RagError
    from rag_app.settings import load_settings

    findings = [Finding("environment", "ok", _environment())]
    try:
        settings = load_settings(index=index, llm=llm, prompt=prompt)
    except RagError as error:
        findings.append(Finding("settings", "fail", str(error), error.exit_code))
    else:
        findings.extend(_findings(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(printable(f"{finding.state:4}  {finding.check:11}  {finding.detail}"))
    if code := max(finding.exit_code for finding in findings):
        raise typer.Exit(code)


def _environment() -> str:
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        return f"rag-app {version('rag-app')}, {python}"
    except PackageNotFoundError:
        return f"rag-app from a folder that is not installed, {python}"


def _findings(settings: Settings) -> Iterator[Finding]:
    from rag_app.settings import misspelled_settings

    misspelled = misspelled_settings()
    yield from (Finding("settings", "note", sentence) for sentence in misspelled)
    if not misspelled:
        yield Finding("settings", "ok", "every value can be used (rag config shows them)")
    yield _attempt("documents", lambda: _documents(settings))
    yield _attempt("embedding", lambda: _embedding(settings))
    yield _attempt("chat model", lambda: _chat_model(settings))
    yield from _extras()
    yield _attempt("prompt", lambda: _prompt(settings))
    yield _attempt("index", lambda: _index(settings))


def _attempt(check: str, look: Callable[[], str]) -> Finding:
    from ingest import RagError

    try:
        return Finding(check, "ok", look())
    except RagError as error:
        return Finding(check, "fail", str(error), error.exit_code)


def _documents(settings: Settings) -> str:
    if settings.documents.is_dir():
        return f"{settings.documents}"
    return f"{settings.documents} is not a folder: asking works, rag index needs it"


def _embedding(settings: Settings) -> str:
    from ingest import embedding_model

    found = embedding_model(settings)
    where = _destination(settings.embedding, settings.embedding_base_url)
    return f"{found.name}, {found.identity.dimension} dimensions; documents and questions {where}"


def _chat_model(settings: Settings) -> str:
    from rag_app.app import RagApp

    assert RagApp(settings).llm
    where = _destination(settings.llm, settings.llm_base_url)
    return f"{settings.llm}; questions and retrieved text {where}"


def _destination(model: str, base_url: str | None) -> str:
    """Return where text goes that this model reads."""
    provider = model.partition(":")[0]
    host = urlsplit(base_url).hostname if base_url and provider == "openai" else None
    if provider in LOCAL_PROVIDERS or host in LOOPBACK:
        return "stay on this machine"
    return f"are sent to {host or provider}"


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            install = f"not installed: pip install 'rag-app[{extra}]'"
            yield Finding("extra", "note", f"{extra} {install}")
        else:
            yield Finding("extra", "ok", f"{extra} installed")


def _prompt(settings: Settings) -> str:
    from rag_app.prompts import load_prompt

    names = [settings.prompt] if settings.prompt else ["qa", "qa-pt"]
    return ", ".join(load_prompt(name).name for name in names)


def _index(settings: Settings) -> str:
    from rag_app.app import RagApp

    found = RagApp(settings).status()
    size = f"{found.documents} documents, {found.chunks} chunks, {found.bytes / 1e6:.1f} MB"
    failed = f"; {len(found.failed)} files failed (rag status)" if found.failed else ""
    return f"{settings.index}: {size}, generation {found.generation}{failed}"
