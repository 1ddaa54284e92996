"""The commands of the tasks: classify, rerank, zero-shot, fill-mask, ner and answer.

A command is a row of `_COMMANDS`: its arguments, what it asks a model, how people read the answer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from fastbert.cli_files import open_output, read_texts, read_whole, row
from fastbert.cli_options import add_computing, add_on_overflow, add_texts

__all__ = ["add_tasks"]

_OVERFLOWS = ("truncate", "error")
_AGGREGATIONS = ("none", "simple", "first", "average", "max")
_STRATEGY = "simple"


class _Command(NamedTuple):
    """One command.

    Attributes:
        name: of the command.
        task: a key of `fastbert.tasks.TASKS`.
        help: one line.
        add: gives the parser its own arguments.
        records: what the model answers, as JSON objects.
        lines: one record as people read it.
    """

    name: str
    task: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]
    records: Callable[[Any, argparse.Namespace], Iterable[dict[str, Any]]]
    lines: Callable[[dict[str, Any]], Iterable[str]]


def add_tasks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of all tasks."""
    for command in _COMMANDS:
        parser = commands.add_parser(command.name, help=command.help)
        parser.description = f"{command.help[0].upper()}{command.help[1:]}."
        parser.add_argument("model", metavar="MODEL", help="directory or name")
        command.add(parser)
        parser.add_argument("--json", action="store_true", help="print JSON, an object per line")
        add_computing(parser)
        parser.set_defaults(command=_run, task_command=command)


def _run(arguments: argparse.Namespace) -> None:
    import fastbert

    command: _Command = arguments.task_command
    model = fastbert.load_task(
        arguments.model,
        command.task,
        compute_type=arguments.compute_type,
        threads=arguments.threads,
    )
    with open_output(None) as file:
        for record in command.records(model, arguments):
            if arguments.json:
                file.write(json.dumps(record, ensure_ascii=False, default=_number) + "\n")
            else:
                file.writelines(f"{line}\n" for line in command.lines(record))


def _number(value: Any) -> Any:  # noqa: ANN401 (what json.dumps does not know: NumPy's numbers)
    return value.item()


def _add_texts(parser: argparse.ArgumentParser, metavar: str = "TEXT") -> None:
    add_texts(parser, metavar)
    add_on_overflow(parser, *_OVERFLOWS)


def _add_top_k(parser: argparse.ArgumentParser, count: int | None, what: str) -> None:
    usual = "all" if count is None else count
    parser.add_argument(
        "--top-k", type=int, metavar="N", default=count, help=f"how many {what} ({usual})"
    )


def _add_classify(parser: argparse.ArgumentParser) -> None:
    _add_texts(parser)
    _add_top_k(parser, 1, "labels for each text")
    parser.add_argument(
        "--pair",
        metavar="TEXT",
        nargs="+",
        help="the second text of each pair, in their order; -- ends them",
    )


def _classify(model: Any, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    texts = read_texts(arguments)
    inputs: list[Any] = [{"text": text} for text in texts]
    if arguments.pair is not None:
        if len(arguments.pair) != len(texts):
            raise ValueError(f"{len(texts)} texts have {len(arguments.pair)} texts in --pair")
        inputs = [
            {"text": text, "text_pair": pair}
            for text, pair in zip(texts, arguments.pair, strict=True)
        ]
    found = model(inputs, top_k=arguments.top_k, on_overflow=arguments.on_overflow)
    for given, labels in zip(inputs, found, strict=True):
        yield {**given, "labels": labels}


def _classify_lines(record: dict[str, Any]) -> Iterator[str]:
    texts = [record[key] for key in ("text", "text_pair") if key in record]
    for label in record["labels"]:
        yield row(label["score"], label["label"], *texts)


def _add_rerank(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUERY", help="what is asked")
    _add_texts(parser, "DOCUMENT")
    _add_top_k(parser, None, "documents")


def _rerank(model: Any, arguments: argparse.Namespace) -> Iterable[dict[str, Any]]:  # noqa: ANN401
    documents = read_texts(arguments)
    ranked: list[dict[str, Any]] = model.rank(
        arguments.query,
        documents,
        top_k=arguments.top_k,
        return_documents=True,
        on_overflow=arguments.on_overflow,
    )
    return ranked


def _rerank_lines(record: dict[str, Any]) -> Iterator[str]:
    yield row(record["score"], record["text"])


def _add_zero_shot(parser: argparse.ArgumentParser) -> None:
    _add_texts(parser)
    parser.add_argument("--labels", metavar="LABEL,...", required=True, help="the labels")
    parser.add_argument(
        "--template",
        metavar="TEXT",
        default="This example is {}.",
        help="what a label says of a text ({} is the label)",
    )
    parser.add_argument("--multi-label", action="store_true", help="any number of labels may fit")


def _zero_shot(model: Any, arguments: argparse.Namespace) -> Iterable[dict[str, Any]]:  # noqa: ANN401
    results: list[dict[str, Any]] = model(
        read_texts(arguments),
        arguments.labels,
        hypothesis_template=arguments.template,
        multi_label=arguments.multi_label,
        on_overflow=arguments.on_overflow,
    )
    return results


def _zero_shot_lines(record: dict[str, Any]) -> Iterator[str]:
    for label, score in zip(record["labels"], record["scores"], strict=True):
        yield row(score, label, record["sequence"])


def _add_fill_mask(parser: argparse.ArgumentParser) -> None:
    _add_texts(parser)
    _add_top_k(parser, 5, "tokens for each mask")


def _fill_mask(model: Any, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    texts = read_texts(arguments)
    found = model(texts, top_k=arguments.top_k, on_overflow=arguments.on_overflow)
    for text, fillings in zip(texts, found, strict=True):
        yield {"text": text, "fillings": fillings}


def _fill_mask_lines(record: dict[str, Any]) -> Iterator[str]:
    fillings = record["fillings"]
    several = bool(fillings) and isinstance(fillings[0], list)  # one list for each mask
    for filling in (one for mask in fillings for one in mask) if several else fillings:
        yield row(filling["score"], filling["token_str"], filling["sequence"])


def _add_ner(parser: argparse.ArgumentParser) -> None:
    _add_texts(parser)
    parser.add_argument(
        "--aggregation",
        choices=_AGGREGATIONS,
        default=_STRATEGY,
        help="how tokens become entities (%(default)s)",
    )
    parser.add_argument(
        "--stride",
        type=int,
        metavar="N",
        help="read long texts to their end, in windows that share N tokens",
    )


def _ner(model: Any, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    texts = read_texts(arguments)
    found = model(
        texts,
        aggregation_strategy=arguments.aggregation,
        stride=arguments.stride,
        on_overflow=arguments.on_overflow,
    )
    for text, entities in zip(texts, found, strict=True):
        yield {"text": text, "entities": entities}


def _ner_lines(record: dict[str, Any]) -> Iterator[str]:
    for entity in record["entities"]:
        kind = entity.get("entity_group", entity.get("entity"))
        yield row(entity["score"], kind, entity["word"], entity["start"], entity["end"])


def _add_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--question", metavar="TEXT", required=True, help="what is asked")
    parser.add_argument("-c", "--context", metavar="TEXT", help="the text with the answer")
    parser.add_argument("-i", "--input", metavar="FILE", help="a file of it, UTF-8; - is stdin")
    _add_top_k(parser, 1, "answers")


def _answer(model: Any, arguments: argparse.Namespace) -> Iterable[dict[str, Any]]:  # noqa: ANN401
    if (arguments.context is None) == (arguments.input is None):
        raise ValueError("expected either --context or --input")
    context = arguments.context
    if context is None:
        context = read_whole(arguments.input)
    answers = model(question=arguments.question, context=context, top_k=arguments.top_k)
    return [answers] if isinstance(answers, dict) else answers


def _answer_lines(record: dict[str, Any]) -> Iterator[str]:
    yield row(record["score"], record["answer"], record["start"], record["end"])


_COMMANDS = (
    _Command(
        "classify",
        "text-classification",
        "say which class texts, or pairs of texts, belong to",
        _add_classify,
        _classify,
        _classify_lines,
    ),
    _Command(
        "zero-shot",
        "zero-shot-classification",
        "say which of any labels fit texts",
        _add_zero_shot,
        _zero_shot,
        _zero_shot_lines,
    ),
    _Command(
        "rerank",
        "text-ranking",
        "sort documents by how well they answer a query",
        _add_rerank,
        _rerank,
        _rerank_lines,
    ),
    _Command("ner", "token-classification", "find entities in texts", _add_ner, _ner, _ner_lines),
    _Command(
        "answer",
        "question-answering",
        "find the answer to a question in a text",
        _add_answer,
        _answer,
        _answer_lines,
    ),
    _Command(
        "fill-mask",
        "fill-mask",
        "say which tokens stand best where texts have a mask",
        _add_fill_mask,
        _fill_mask,
        _fill_mask_lines,
    ),
)
