"""The model that answers ShopBench questions.

Whatever comes in, a valid answer of its type goes out in time: a question is classified, its prompt is rendered
(shortened if it is longer than the context), the whole batch goes to the engine in one call, and what comes back
is completed, tidied and read the way the evaluator reads it. What cannot be read gets a fallback and is counted.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.answer_space import AnswerSpace, FreeText, NumberList, OneDigit
from models.base_model import ShopBenchBaseModel
from models.jobs import Completion, Request
from models.quoted_spans import QuotedSpans, source_text
from models.settings import Behaviour
from models.supervisor import EngineLike, Supervisor
from shopbench import answers
from shopbench.classify import Classified, answer_count, classify
from shopbench.prompts import clean, encode_prompt, encode_text
from shopbench.shorten import shorten
from shopbench.tasks import TASKS, TaskType
from shopbench.tracks import SECONDS_PER_SAMPLE

LOG = logging.getLogger(__name__)
_MARGIN_SECONDS, _MARGIN_SHARE = 1.0, 0.05
_WORDS_ENOUGH = 15
_NOTHING = "(empty question)"


@dataclass(frozen=True)
class Plan:
    """How one question will be asked: its type and options, prompt tokens, and the space of its answers."""

    classified: Classified
    prompt: list[int]
    space: AnswerSpace


class ShopBenchModel(ShopBenchBaseModel):
    """Answers batches of questions through an engine.

    Attributes:
        stats: counters since the start: questions, prompt_tokens, answer_tokens, shortened, unfinished (cut by the
            deadline), repaired (an answer that the evaluator could not have read), restarts.
    """

    def __init__(
        self,
        start_engine: Callable[[], EngineLike],
        tokenizer: Any,
        context: int,
        behaviour: Behaviour | None = None,
    ) -> None:
        """Start the engine and wait until it is ready.

        Args:
            context: most tokens of prompt and answer together.
        """
        self.behaviour = behaviour or Behaviour()
        self.stats: Counter[str] = Counter()
        self._tokenizer = tokenizer
        self._context = context
        self._started = time.monotonic()
        self._supervisor = Supervisor(start_engine)

    def get_batch_size(self) -> int:
        """Questions in a batch: 16, or SHOPBENCH_BATCH_SIZE."""
        return self.behaviour.batch_size

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        """Answer a batch; see ShopBenchBaseModel. Never raises on a question, whatever it holds."""
        began = time.monotonic()
        questions = list(batch["prompt"])
        deadline = self._deadline(began, len(questions))
        plans = [self._plan(question, is_multiple_choice) for question in questions]
        asked = [number for number, plan in enumerate(plans) if plan.prompt and plan.space.max_tokens]
        completions = [Completion(finished=True) for _ in plans]
        if asked:
            requests = [Request(plans[number].prompt, plans[number].space) for number in asked]
            for number, completion in zip(asked, self._supervisor.generate(requests, deadline), strict=True):
                completions[number] = completion
        self.stats["restarts"] = self._supervisor.restarts
        return [self._answer(plan, completion) for plan, completion in zip(plans, completions, strict=True)]

    def close(self) -> None:
        """End the engine."""
        self._supervisor.close()

    def _deadline(self, began: float, questions: int) -> float:
        """When a batch must be answered: the evaluator's limit less a margin, and not after the run's own end."""
        limit = SECONDS_PER_SAMPLE * questions
        deadline = began + limit - max(_MARGIN_SECONDS, _MARGIN_SHARE * limit)
        run_seconds = self.behaviour.run_seconds
        return min(deadline, self._started + run_seconds) if run_seconds else deadline

    def _plan(self, question: Any, is_multiple_choice: bool) -> Plan:
        text = clean(question if isinstance(question, str) else str(question)) or _NOTHING
        classified = classify(text, bool(is_multiple_choice))
        space = self._space(text, classified)
        room = self._context - max(space.max_tokens, 1)
        prompt = self._encode(classified.task_type, text, room)
        self.stats.update(questions=1, prompt_tokens=len(prompt))
        return Plan(classified, prompt, space)

    def _encode(self, task_type: TaskType, text: str, room: int) -> list[int]:
        # No token spells more than a few characters of prose: most questions need not be counted twice.
        if len(text) <= 20 * room:
            prompt = encode_prompt(self._tokenizer, task_type, text)
            if len(prompt) <= room:
                return prompt
        self.stats["shortened"] += 1
        frame = len(encode_prompt(self._tokenizer, task_type, ""))
        shorter = shorten(text, room - frame - 2, lambda part: len(encode_text(self._tokenizer, part)))
        return encode_prompt(self._tokenizer, task_type, shorter)[-room:]

    def _space(self, question: str, classified: Classified) -> AnswerSpace:
        task_type, options = classified
        options = tuple(dict.fromkeys(options))
        if task_type is TaskType.MULTIPLE_CHOICE:
            return OneDigit(options or (0, 1, 2, 3))
        if task_type in (TaskType.RETRIEVAL, TaskType.RANKING):
            count = answer_count(question, classified)
            return NumberList(options or tuple(range(1, max(count, 5) + 1)), count)
        if task_type is TaskType.NER:
            return QuotedSpans(source_text(question), TASKS[task_type].max_tokens)
        return FreeText(TASKS[task_type].max_tokens)

    def _answer(self, plan: Plan, completion: Completion) -> str:
        task_type = plan.classified.task_type
        text = self._tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        self.stats["answer_tokens"] += len(completion.token_ids)
        self.stats["unfinished"] += not completion.finished
        answer = plan.space.finish(text) if self.behaviour.constraints == "exact" else text.strip()
        if task_type is TaskType.GENERATION:
            answer = first_sentences(answer)
        if not is_readable(task_type, answer, plan):
            LOG.warning("an answer to a %s question could not be read and was replaced: %.60r", task_type, answer)
            self.stats["repaired"] += 1
            answer = plan.space.finish("") or TASKS[task_type].fallback
        return answer


def is_readable(task_type: TaskType, answer: str, plan: Plan) -> bool:
    """Whether the evaluator finds in `answer` what the question asks for: numbers among those shown, a text."""
    parsed = answers.parse(task_type, answer)
    if task_type is TaskType.MULTIPLE_CHOICE:
        return not plan.classified.options or parsed in plan.classified.options
    if isinstance(parsed, list) and isinstance(plan.space, NumberList):
        return bool(parsed) and len(set(parsed)) == len(parsed) and all(n in plan.space.options for n in parsed)
    return bool(parsed)


def first_sentences(text: str) -> str:
    """The first sentences that together pass 15 words, as the winners cut their generated answers.

    >>> first_sentences("Soft. " + "It fits well and looks as good as on the picture of the shop, too. Buy it.")
    'Soft. It fits well and looks as good as on the picture of the shop, too.'
    """
    kept = ""
    for sentence in re.split(r"(?<=\.)(?=\s)", text.strip()):
        kept += sentence
        if len(kept.split()) > _WORDS_ENOUGH:
            break
    return kept.strip()
