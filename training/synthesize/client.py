"""A server that speaks the OpenAI API, asked patiently: a limit on requests at once, retries, structured output.

Errors that pass (429, 5xx, timeouts, cut connections, broken bodies) are tried again, later and later; those that do
not (a wrong key, an unknown model) end the run in one line. The key is in no message: what a server says is searched
for it before it is shown.

The openai client's own retries are off: each try is charged for, so each needs money set aside before it and a line in
the cache after it, and the client tells nobody of the tries within a call (nor tries a broken body again).
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from shopbench.errors import UserError
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.reply_cache import ReplyCache

LONGEST_WAIT = 60.0


class _Passing(Exception):
    """A failure that may pass; `wait` is what the server asked for, `charged` whether the answer may have been made."""

    def __init__(self, what: str, wait: float = 0.0, charged: bool = False) -> None:
        super().__init__(what)
        self.wait = wait
        self.charged = charged


@dataclass
class Server:
    """One endpoint and model; counts its retries and how answers were held to their schema (`structured`).

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
        raise UserError(
            f"{self._where}: {self._clean(str(problem))}, {self.tries} times; "
            "see to the server and run the same command again: what was answered is kept"
        )

    async def _paid(self, request: ChatRequest) -> Reply:
        """One try: its cost is set aside, and counted when it is known."""
        async with self._settled:
            while not self.cache.spending.reserve(request):
                await self._settled.wait()
        try:
            reply = await self._once(request, self.structured and request.schema is not None)
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

    async def _once(self, request: ChatRequest, structured: bool) -> Reply:
        parameters: dict[str, Any] = {
            "model": self.model,
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if structured:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
        try:
            return _read(await self.client.chat.completions.create(**parameters))
        except openai.APITimeoutError:
            raise _Passing(f"no answer in {self.timeout:g} s", charged=True) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            refused = "Connect" in type(cause).__name__  # then nothing was sent
            raise _Passing(f"connection failed ({type(cause).__name__})", charged=not refused) from None
        except openai.APIStatusError as error:
            return await self._refused(request, error, structured)
        except (openai.APIResponseValidationError, ValueError, AttributeError, IndexError, TypeError):
            raise _Passing("its answer is no chat completion", charged=True) from None

    async def _refused(self, request: ChatRequest, error: openai.APIStatusError, structured: bool) -> Reply:
        status, said = error.status_code, self._clean(error.message)
        if status in (408, 409, 425, 429) or status >= 500:
            wait = error.response.headers.get("retry-after", "")
            is_number = wait.replace(".", "", 1).isdecimal()  # else a date: our own waits will do
            raise _Passing(f"status {status}", wait=float(wait) if is_number else 0.0) from None
        if status in (400, 422):
            if not structured:
                return Reply(said[:300], "refused")
            # Either the server offers no structured output, or something else is wrong with this request.
            reply = await self._once(request, structured=False)
            if reply.finish != "refused":
                self.structured = False
            return reply
        remedy = "check --endpoint and --model"
        if status in (401, 403):
            remedy = f"set {self.key_variable} to a key that the server takes"
        raise UserError(f"{self._where}: status {status} ({said[:200]}); {remedy}") from None

    def _clean(self, text: str) -> str:
        one_line = " ".join(text.split())
        return one_line.replace(self._key, "***") if self._key else one_line


def _read(completion: Any) -> Reply:
    """A chat completion as a Reply; AttributeError and the like for anything else."""
    one = completion.choices[0]
    if not isinstance(one.message.content, str) or not isinstance(one.finish_reason, str):
        raise TypeError("no text")
    finish = "length" if one.finish_reason == "length" else "stop"
    usage = completion.usage
    cost = (int(usage.prompt_tokens), int(usage.completion_tokens)) if usage else (0, 0)
    return Reply(one.message.content, finish, *cost)


def without_password(url: str) -> str:
    """A URL without user, password, query and fragment, for messages and manifests."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the endpoint"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
