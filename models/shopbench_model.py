"""The model that answers ShopBench questions.

Whatever comes in, a valid answer of its type goes out in time: every question gets a plan (models/planning.py),
the whole batch goes to the engine in one call, and what comes back is completed and read the way the evaluator
reads it. What cannot be read is replaced by a fallback, counted and logged.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from models import planning
from models.base_model import ShopBenchBaseModel
from models.engine.requests import Completion, Request
from models.engine.supervisor import EngineLike, Supervisor
from models.planning import ConstrainedPrompt, Plan, Planner
from models.settings import Behaviour
from shopbench.tasks import TaskType
from shopbench.tracks import SECONDS_PER_SAMPLE

LOG = logging.getLogger(__name__)
_MARGIN_SECONDS, _MARGIN_SHARE = 1.0, 0.05
_PATIENCE_SECONDS = 120.0
"""Most time for a question outside the competition, where only an engine that never ends must be stopped."""


class ShopBenchModel(ShopBenchBaseModel):
    """Answers batches of questions through an engine.

    Attributes:
        stats: counters since the start: questions, prompt_tokens, answer_tokens; shortened (longer than the
            context); unfinished (cut by a deadline, or never begun); repaired (could not have been read, answered by
            fallback); failed (no plan could be made); restarts (of the engine).
    """

    def __init__(
        self,
        start_engine: Callable[[], EngineLike],
        tokenizer: Any,
        context: int,
        behaviour: Behaviour | None = None,
        wait: bool = True,
    ) -> None:
        """Start the engine and wait until it is ready.

        Args:
            start_engine: begins to start an engine; called again when one has died.
            tokenizer: the Hugging Face tokenizer of the engine's weights.
            context: most tokens of prompt and answer together.
            wait: False to do something else meanwhile; call `wait_until_ready` before the first batch.
        """
        self.behaviour = behaviour or Behaviour()
        self.stats: Counter[str] = Counter()
        self._tokenizer = tokenizer
        self._planner = Planner(tokenizer, context, self.behaviour.answer_by)
        self._started = time.monotonic()
        self._supervisor = Supervisor(start_engine)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for the engine; EngineDied if it cannot start."""
        self._supervisor.wait_until_ready()

    def get_batch_size(self) -> int:
        """Questions in a batch: 16, or SHOPBENCH_BATCH_SIZE."""
        return self.behaviour.batch_size

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        """Answer a batch; see ShopBenchBaseModel. Never raises on a question, whatever it holds."""
        began = time.monotonic()
        questions = list(batch["prompt"])
        deadline = self._deadline(began, len(questions))
        plans = [self._plan(question, is_multiple_choice) for question in questions]
        completions = self._ask(plans, deadline)
        answers = [self._answer(plan, completion) for plan, completion in zip(plans, completions, strict=True)]
        self.stats["restarts"] = self._supervisor.restarts
        return answers

    def answer(self, prompts: Sequence[ConstrainedPrompt]) -> list[str]:
        """Answer questions that name their answer spaces, in one engine call: a text each, in order.

        For benchmarks other than ShopBench. Nothing is classified, cut or replaced: an answer is a whole one of its
        space, or what the model wrote where constraints are off; of a free text an empty answer stays empty.
        """
        plans = [self._planner.plan_constrained(prompt) for prompt in prompts]
        for plan in plans:
            self.stats.update(questions=1, prompt_tokens=len(plan.prompt), shortened=int(plan.shortened))
        patience = self.behaviour.question_seconds or _PATIENCE_SECONDS
        completions = self._ask(plans, time.monotonic() + patience * len(plans))
        self.stats["restarts"] = self._supervisor.restarts
        return [self._text(plan, completion) for plan, completion in zip(plans, completions, strict=True)]

    @property
    def engine(self) -> EngineLike:
        """The engine that answers now."""
        return self._supervisor.engine

    def close(self) -> None:
        """End the engine."""
        self._supervisor.close()

    def _deadline(self, began: float, questions: int) -> float:
        """When a batch must be answered: the time for it less a margin, and not after the run's own end."""
        limit = (self.behaviour.question_seconds or SECONDS_PER_SAMPLE) * questions
        deadline = began + limit - max(_MARGIN_SECONDS, _MARGIN_SHARE * limit)
        run_seconds = self.behaviour.run_seconds  # since this model was made
        return min(deadline, self._started + run_seconds) if run_seconds else deadline

    def _plan(self, question: Any, is_multiple_choice: bool) -> Plan:
        try:
            plan = self._planner.plan(question, is_multiple_choice)
        except Exception:  # a question that breaks us must not take its batch, and the run, with it
            LOG.exception("no plan for a question, it is answered by fallback")
            self.stats["failed"] += 1
            plan = planning.plan_without_prompt(is_multiple_choice)
        self.stats.update(questions=1, prompt_tokens=len(plan.prompt), shortened=int(plan.shortened))
        return plan

    def _ask(self, plans: Sequence[Plan], deadline: float) -> list[Completion]:
        """What the engine generates for each plan, in one call; nothing for plans that leave nothing to generate."""
        asked = [place for place, plan in enumerate(plans) if plan.prompt and plan.space.max_tokens]
        completions = [Completion(finished=True) for _ in plans]
        if asked:
            requests = [Request(plans[place].prompt, plans[place].space) for place in asked]
            for place, completion in zip(asked, self._supervisor.generate(requests, deadline), strict=True):
                completions[place] = completion
        return completions

    def _text(self, plan: Plan, completion: Completion) -> str:
        """What was generated, made a whole answer of the plan's space unless constraints are off."""
        self.stats["answer_tokens"] += len(completion.token_ids)
        self.stats["unfinished"] += not completion.finished
        text = self._tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        exact = self.behaviour.constraints == "exact" or not completion.finished
        return plan.space.finish(text) if exact or plan.space.is_free else text.strip()

    def _answer(self, plan: Plan, completion: Completion) -> str:
        answer = self._text(plan, completion)
        if plan.task_type is TaskType.GENERATION and plan.space.is_free:
            answer = planning.first_sentences(planning.unlooped(answer))
        if planning.is_readable(plan, answer):
            return answer
        self.stats["repaired"] += 1
        LOG.warning("an answer (%s) could not be read and was replaced: %.60r", plan.task_type, answer)
        return planning.fallback(plan)
