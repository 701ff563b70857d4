"""A server that speaks the OpenAI API, asked patiently: a limit on requests at once, retries, structured output.

Errors that pass (429, 5xx, timeouts, cut connections, broken bodies) are tried again, later and later; those that do
not (a wrong key, an unknown model, an empty account) end the run in one line. A parameter that the model does not take
is spelled otherwise or left out. One request that fails where others are answered costs its own row, not the run. The
key is in no message: what a server says is searched for it before it is shown.

The openai client's own retries are off: each try is charged for, so each needs money set aside before it and a line in
the cache after it, and the client tells nobody of the tries within a call (nor tries a broken body again).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from shopbench.errors import UserError
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.reply_cache import ReplyCache

LONGEST_WAIT = 60.0


REFUSALS_WITHOUT_ANSWER = 3
"""So many requests that a server refuses before it answers any are no fault of theirs."""
FAILURES_IN_A_ROW = 2
"""So many requests that a server answers with nonsense on every try, and none well between them: it is broken."""
_NO_MONEY = re.compile(
    r"insufficient[_ ](quota|balance|funds|credit)|exceeded your current quota|billing|credit balance|out of credit",
    re.IGNORECASE,
)
_LATER = re.compile(r"(?:retry|try again) (?:in|after) (\d+(?:\.\d+)?) ?(ms|s)", re.IGNORECASE)
"""A limit on requests a minute that passes, even if the server calls it a quota (Gemini does), and when."""
_OF_THIS_TEXT = re.compile(r"flagged|moderat|content[_ ](policy|filter|management)|safety", re.IGNORECASE)
"""In the words of a 403: the text was not let in, where a wrong key is not let in either."""
_ENDED = {"eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop"} | {
    "max_tokens": "length",
    "model_length": "length",
}
"""Why an answer ended, in the words of other servers."""
_STRUCTURE = re.compile(r"response_format|schema|structured|grammar|guided", re.IGNORECASE)


class _Passing(Exception):
    """A failure that may pass.

    `wait`: what the server asked for; `charged`: the answer may have been made; `answered`: the server is there and
    says something, so that the fault may be this request's.
    """

    def __init__(self, what: str, wait: float = 0.0, charged: bool = False, answered: bool = False) -> None:
        super().__init__(what)
        self.wait, self.charged, self.answered = wait, charged, answered


@dataclass(frozen=True)
class RequestForm:
    """How a request is put to a model: what it takes is learned from its refusals."""

    structured: bool
    limit_name: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """The request's parameters but the model."""
        wanted: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
        parameters = {name: value for name, value in wanted.items() if name not in self.left_out}
        parameters |= {"messages": request.messages, self.limit_name: request.max_tokens}
        if self.structured and request.schema is not None:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
        return parameters

    def after(self, said: str, request: ChatRequest) -> RequestForm | None:
        """The form that a refusal of a request in these words suggests to try; None if there is none."""
        structured = self.structured and request.schema is not None
        if self.limit_name == "max_tokens" and "max_completion_tokens" in said:
            return replace(self, limit_name="max_completion_tokens")
        for name in ("temperature", "seed"):
            if re.search(rf"\b{name}\b", said) and name not in self.left_out:
                return replace(self, left_out=self.left_out | {name})
        if structured and _STRUCTURE.search(said):
            return replace(self, structured=False)
        if self.limit_name == "max_tokens" and re.search(r"\bmax_tokens\b", said):
            return replace(self, limit_name="max_completion_tokens")
        return replace(self, structured=False) if structured else None


@dataclass
class Server:
    """One endpoint and model; counts its retries, and learns the form of a request that the model takes.

    `timeout` is seconds for an answer, `first_wait` seconds before the second try. A UserError if `endpoint` is no URL.
    """

    endpoint: str
    model: str
    cache: ReplyCache
    concurrency: int = 16
    timeout: float = 120.0
    tries: int = 6
    first_wait: float = 1.0
    structured: bool = True
    key_variable: str = "OPENAI_API_KEY"
    retries: int = 0

    def __post_init__(self) -> None:
        self._where = without_password(self.endpoint)
        self._key = os.environ.get(self.key_variable, "")
        if not (self._key.isascii() and self._key.isprintable()) or self._key != self._key.strip():
            raise UserError(
                f"{self.key_variable}: holds a line end, a blank or a letter that no key has; set it again, for "
                f'instance {self.key_variable}="$(tr -d "[:space:]" < FILE)"'
            )
        self.form = RequestForm(self.structured)
        self._answered = self._refusals = self._failures = 0
        self._at_once = asyncio.Semaphore(self.concurrency)
        self._settled = asyncio.Condition()
        for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)  # their debug logs hold whole requests
        try:
            self.client = openai.AsyncOpenAI(
                api_key=self._key or "none", base_url=self.endpoint, max_retries=0, timeout=self.timeout
            )
        except Exception as error:  # whatever the URL parser raises
            raise UserError(f"{self._where}: no usable endpoint ({type(error).__name__}); give a URL") from None

    async def answer(self, request: ChatRequest) -> Reply:
        """The answer to a request: the cache's if it was paid for, else the server's.

        Raises CeilingReached before a request that might cost too much, UserError if the server gives none.
        """
        if known := self.cache.find(request):
            return known
        async with self._at_once:
            for attempt in range(self.tries):
                try:
                    return await self._paid(request)
                except _Passing as error:
                    problem = error
                if attempt + 1 < self.tries:
                    self.retries += 1
                    wait = min(LONGEST_WAIT, self.first_wait * 2**attempt) * random.uniform(0.5, 1.0)
                    await asyncio.sleep(min(LONGEST_WAIT, max(wait, problem.wait)))
        self._failures += 1
        said = f"{self._clean(str(problem))}, {self.tries} times"
        if problem.answered and self._failures < FAILURES_IN_A_ROW:
            return Reply(said, "refused")
        raise UserError(
            f"{self._where}: {said}; see to the server and run the same command again: what was answered is kept"
        )

    async def _paid(self, request: ChatRequest) -> Reply:
        """One try: its cost is set aside, and counted when it is known."""
        async with self._settled:
            while not self.cache.spending.reserve(request):
                await self._settled.wait()
        try:
            reply = await self._once(request, self.form)
            self._count(reply)
            self.cache.keep(request, reply)
        except _Passing as problem:
            if problem.charged:
                self.cache.lost(request)
            raise
        finally:
            self.cache.spending.release(request)
            async with self._settled:
                self._settled.notify_all()
        return reply

    def _count(self, reply: Reply) -> None:
        """Tell a row's refusal from a server that refuses everything; UserError for the latter."""
        if reply.finish != "refused":
            self._answered += 1
            self._failures = 0
            return
        self._refusals += 1
        if not self._answered and self._refusals >= REFUSALS_WITHOUT_ANSWER:
            raise UserError(
                f"{self._where}: refuses every request ({reply.text}); check --model and the prompt's length"
            )

    async def _once(self, request: ChatRequest, form: RequestForm, learning: bool = False) -> Reply:
        try:
            async with asyncio.timeout(self.timeout):  # the client's own is for each read: a trickle goes on for ever
                completion = await self.client.chat.completions.create(model=self.model, **form.parameters(request))
            if not getattr(completion, "choices", None) and (said := getattr(completion, "error", None)):
                raise _Passing(f"its answer is an error ({str(said)[:200]})", charged=True, answered=True)
            reply = _read(completion, request)
            self.form = form if learning else self.form
            return reply
        except (openai.APITimeoutError, TimeoutError):
            raise _Passing(f"no answer in {self.timeout:g} s (--timeout)", charged=True) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            refused = "Connect" in type(cause).__name__  # then nothing was sent
            raise _Passing(f"connection failed ({type(cause).__name__})", charged=not refused) from None
        except openai.APIStatusError as error:
            return await self._refused(request, error, form)
        except (
            openai.APIResponseValidationError,
            ValueError,
            AttributeError,
            LookupError,
            TypeError,
            OverflowError,
        ):
            raise _Passing("its answer is no chat completion", charged=True, answered=True) from None

    async def _refused(self, request: ChatRequest, error: openai.APIStatusError, form: RequestForm) -> Reply:
        status, said = error.status_code, self._clean(f"{error.message} {error.param or ''} {error.code or ''}")
        wait = error.response.headers.get("retry-after", "")
        later = _LATER.search(said)
        if status == 402 or (status == 429 and not wait and not later and _NO_MONEY.search(said)):
            raise UserError(f"{self._where}: out of quota ({said[:200]}); what was answered is kept: pay and run again")
        if status in (408, 409, 425, 429) or status >= 500:
            is_number = wait.replace(".", "", 1).isdecimal()  # else a date: our own waits will do
            seconds = float(later[1]) / (1000 if later[2].lower() == "ms" else 1) if later else 0.0
            raise _Passing(f"status {status}", float(wait) if is_number else seconds, answered=status >= 500) from None
        if status in (413, 451) or (status == 403 and _OF_THIS_TEXT.search(said)):
            return Reply(said[:300], "refused")
        if status in (400, 422):
            other = form.after(said, request)
            return Reply(said[:300], "refused") if other is None else await self._once(request, other, learning=True)
        remedy = "check --endpoint and --model"
        if status in (401, 403):
            remedy = f"set {self.key_variable} to a key that the server takes"
        raise UserError(f"{self._where}: status {status} ({said[:200]}); {remedy}") from None

    def _clean(self, text: str) -> str:
        one_line = " ".join(text.split())
        return one_line.replace(self._key, "***") if self._key else one_line


def _read(completion: Any, request: ChatRequest) -> Reply:
    """A chat completion as a Reply; AttributeError, KeyError and the like for anything else.

    A model may give no text (it declines, calls a tool, or its answer is filtered): that is an answer, and paid for.
    Where the server counts no tokens, they are estimated.
    """
    one = completion.choices[0]
    content, ended = one.message.content, one.finish_reason or "stop"
    if isinstance(ended, str):
        ended = _ENDED.get(ended.lower(), ended.lower())
    if isinstance(content, dict):  # a server that has read the JSON itself
        content = json.dumps(content)
    if isinstance(content, list):  # of parts
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    if content is None and (declined := getattr(one.message, "refusal", None)):
        content, ended = str(declined), "declined"
    if not isinstance(content, str | None) or not isinstance(ended, str):
        raise TypeError("no text")
    if content is None and ended == "stop":
        ended = "no text"
    text = content or ""
    usage = completion.usage
    asked, answered = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
    estimate = len(text.encode("utf-8", "replace")) // 3
    return Reply(
        text,
        ended,
        max(0, int(request.prompt_tokens if asked is None else asked)),
        max(0, int(estimate if answered is None else answered)),
    )


def without_password(url: str) -> str:
    """A URL without user, password, query and fragment, for messages and manifests."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the endpoint"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
