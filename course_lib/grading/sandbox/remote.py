"""An answer in the sandbox, as a function that `Exercise.examine` can call.

Arguments are sent as plain data (serialize.py). An object whose class declares ``REMOTE`` (methods
that an answer may call) and ``REMOTE_READ`` (attributes it may read) is sent as a handle: its
methods run here, in the thread that called the answer, as they would without a sandbox.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from course_lib.grading.sandbox import serialize
from course_lib.grading.sandbox.pool import Worker
from course_lib.grading.sandbox.session import Ended, Session

MAX_ASKS = 10_000  # of one call
MAX_FRAMES = 2_000  # characters of a traceback
MAX_MESSAGE = serialize.MAX_MESSAGE + 200  # the class's name is before it


class AnswerError(Exception):
    """What the answer raised, where that is no builtin class, or what it returned can't cross."""


class Remote:
    """A function whose body runs in an open session of a worker."""

    def __init__(self, worker: Worker, session: Session):
        self.worker, self.session = worker, session
        self.numbers = itertools.count()
        self.objects: list[Any] = []

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The answer's value. Raises what it raised, with `remote_traceback`: its own frames."""
        return self._call(arguments, keywords, None)

    def with_gradients(self, which: Sequence[int]) -> Callable:
        """See checks/gradients.py, which runs in the sandbox."""

        def run(*arguments: Any) -> tuple[Any, list]:
            found = self._call(arguments, {}, list(which))
            if not _has_gradients(found, which):
                raise _answer_error("it sent no gradients")
            return found

        return run

    def _call(self, arguments: Sequence, keywords: dict, gradients: list | None) -> Any:
        number = next(self.numbers)
        box = self.session.inbox(number)
        try:
            sent = serialize.encode(list(arguments), self._handle)
            named = serialize.encode(keywords, self._handle)
        except serialize.Refused as refused:  # the exercise's fault, not the answer's
            self.session.end(f"not gradable: the arguments can't cross: {refused}")
            raise Ended(self.session.ended) from None
        self.worker.send(
            {"call": number, "arguments": sent, "keywords": named, "gradients": gradients}
        )
        for _ in range(MAX_ASKS):
            message = self.session.wait(box)
            if "ask" in message:
                self.worker.send({"reply": number, **self._do(message)})
                continue
            try:
                serialize.put_back(arguments, message.get("changed"), self._object)
                if "error" in message:
                    raise _raised(message["error"])
                return serialize.decode(message.get("value"), self._object)
            except serialize.Refused as refused:
                raise _answer_error(f"what your function sent can't be read: {refused}") from None
        raise _answer_error(f"it asked more than {MAX_ASKS:,} times")

    def _do(self, message: dict) -> dict[str, Any]:
        """Call a method that an object of ours declares, for the answer."""
        try:
            target, name = self._object({"id": message["handle"]}), message["ask"]
            if name not in type(target).REMOTE:
                raise AttributeError(f"{type(target).__name__} has no method {str(name)[:60]!r}")
            sent = message["arguments"]
            given = serialize.decode(sent, self._object)
            keywords = serialize.decode(message["keywords"], self._object)
            if not isinstance(given, list) or not isinstance(keywords, dict):
                raise serialize.Refused("no arguments")
            reply: dict[str, Any] = {}
            try:
                found = getattr(target, name)(*given, **keywords)
                reply["value"] = serialize.encode(found, self._handle)
            except Exception as error:  # an answer may ask for what can't be done
                reply["error"] = serialize.encode_error(error)
            before = serialize.encode(serialize.decode(sent, self._object), self._handle)
            return {**reply, "changed": serialize.changes(given, before, self._handle)}
        except Exception as error:  # nonsense from over there goes back as an error
            return {"error": serialize.encode_error(error), "changed": {}}

    def _handle(self, value: Any) -> dict | None:
        """The handle under which an object crosses; None for one whose class declares none."""
        methods = getattr(type(value), "REMOTE", None)
        if methods is None:
            return None
        at = next((i for i, known in enumerate(self.objects) if known is value), None)
        if at is None:
            at = len(self.objects)
            self.objects.append(value)
        reads = {name: getattr(value, name) for name in getattr(type(value), "REMOTE_READ", ())}
        name = type(value).__name__
        return {"id": at, "name": name, "methods": list(methods), "reads": serialize.encode(reads)}

    def _object(self, handle: Any) -> Any:
        at = handle.get("id") if isinstance(handle, dict) else None
        if type(at) is not int or not 0 <= at < len(self.objects):
            raise serialize.Refused("no such object")
        return self.objects[at]


def _has_gradients(found: Any, which: Sequence[int]) -> bool:
    """A pair of a value and as many gradients as were asked for?"""
    if not isinstance(found, tuple) or len(found) != 2:
        return False
    slopes = found[1]
    right = isinstance(slopes, list) and len(slopes) == len(which)
    return right and all(slope is None or isinstance(slope, torch.Tensor) for slope in slopes)


def _raised(data: Any) -> Exception:
    """What the answer raised. `remote_traceback`: its text, without frames of the judge's."""
    error = serialize.decode_error(data, AnswerError)
    frames = data.get("frames")
    frames = frames[-MAX_FRAMES:] if isinstance(frames, str) else ""
    error.remote_traceback = f"It raised {data['said'][:MAX_MESSAGE]}\n{frames}".rstrip()
    return error


def _answer_error(said: str) -> AnswerError:
    error = AnswerError(said)
    error.remote_traceback = said[:1].upper() + said[1:] + "."
    return error
