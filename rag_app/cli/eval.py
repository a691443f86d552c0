"""``rag eval``: evaluate on a data set, or generate one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import (
    AsJson,
    Index,
    Llm,
    Prompt,
    Quiet,
    TopK,
    parse_pairs,
    settings_of_index,
)
from rag_app.cli.output import note, print_json
from rag_app.cli.progress_bar import show_stages

if TYPE_CHECKING:
    from rag_app.evaluation import Comparison, Evaluation
    from rag_app.evaluation.question_generation import GeneratedQuestion
    from rag_app.settings import Settings

_CHUNKS_PER_QUESTION = 3  # chosen by hand: tried before giving up


def eval_(
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help="A file of questions, or a folder.", exists=False),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare", metavar="KEY=VALUE", help="Compare with this setting; repeatable."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write an HTML report.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Ask only N questions.")
    ] = None,
    generate: Annotated[
        int | None,
        typer.Option("--generate", metavar="N", min=1, help="Generate N questions instead."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Output file of --generate; else stdout."),
    ] = None,
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well the questions of a data set are answered."""
    from ingest import UsageError

    if dataset is None and generate is None:
        raise UsageError("name a data set, or generate one with --generate N")
    if dataset is not None and generate is not None:
        raise UsageError(f"--generate takes no data set: write to one with --output {dataset}")
    if generate is None and output is not None:
        raise UsageError("--output needs --generate; write a report with --report FOLDER")
    if generate is not None and (compare or report or limit):
        raise UsageError("--generate only writes questions: evaluate them with 'rag eval FILE'")
    settings = settings_of_index(quiet, index=index, llm=llm, prompt=prompt, top_k=top_k)
    if generate is not None:
        _generate(settings, generate, output, quiet)
    elif dataset is not None:
        _evaluate(settings, dataset, compare, report, limit, as_json, quiet)


def _evaluate(
    settings: Settings,
    path: Path,
    compare: Sequence[str] | None,
    report: Path | None,
    limit: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    overrides = parse_pairs("--compare", compare, "top_k=10")
    from rag_app.evaluation import Comparison, evaluate, evaluate_pair, limited, load_dataset
    from rag_app.evaluation.requirements import check_requirements

    check_requirements(report=report is not None)
    dataset = limited(load_dataset(path), limit)
    with show_stages(quiet) as progress:
        result: Evaluation | Comparison
        if overrides:
            result = evaluate_pair(dataset, settings, overrides, progress=progress)
        else:
            result = evaluate(dataset, settings, progress=progress)
    _print_result(result, as_json)
    for problem in (result.before if isinstance(result, Comparison) else result).failed:
        note(f"failed: {problem.source}: {problem.reason}", quiet)
    if report:
        from rag_app.evaluation.report import write_report

        note(f"page: {write_report(report, result)}", quiet)


def _print_result(result: Evaluation | Comparison, as_json: bool) -> None:
    from rag_app.cli import metrics_table
    from rag_app.evaluation import Evaluation

    if isinstance(result, Evaluation):
        if as_json:
            print_json(metrics_table.evaluation_record(result))
        else:
            metrics_table.print_evaluation(result)
    elif as_json:
        print_json(metrics_table.comparison_record(result))
    else:
        metrics_table.print_comparison(result)


def _generate(settings: Settings, count: int, output: Path | None, quiet: bool) -> None:
    """Write each question as soon as it is generated, so that an interruption loses none."""
    from ingest import ProviderError
    from rag_app.app import RagApp
    from rag_app.evaluation.question_generation import generate_questions

    written = tried = 0
    with _writing(output) as write:
        attempts = generate_questions(RagApp(settings))
        for question in islice(attempts, _CHUNKS_PER_QUESTION * count):
            tried += 1
            if question:
                written += 1
                write(_question_line(question))
            if written == count:
                break
    note(f"{written} questions from {tried} chunks; review them before trusting a metric", quiet)
    if not written:
        raise ProviderError(f"{settings.llm} wrote no question with an answer from its text")


@contextmanager
def _writing(output: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a line to a new file, or to stdout."""
    from ingest import UsageError

    if output is None:
        yield lambda line: print(line, flush=True)
        return
    try:
        file = output.open("x", encoding="utf-8", buffering=1)
    except FileExistsError:
        raise UsageError(f"{output} already exists: name another file, or delete it") from None
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}") from None
    with file:
        yield lambda line: print(line, file=file)


def _question_line(question: GeneratedQuestion) -> str:
    line = {
        "question": question.question,
        "answers": [question.answer],
        "source": question.source,
        "evidence_span": [question.start, question.end],
        "generated": True,
    }
    return json.dumps(line, ensure_ascii=False)
