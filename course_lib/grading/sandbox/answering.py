"""Inside the sandbox, in a fork of its own: load one answer and do the calls that the judge asks.

Lines of JSON, both ways. The judge sends calls, several at a time where its harness has threads; an
answer that was given a handle asks back while its call is running:

    judge  {"call": 7, "arguments": […], "keywords": {…}, "gradients": [0] or null}
    answer {"call": 7, "ask": "write", "handle": 0, "arguments": […], "keywords": {…}}
    judge  {"reply": 7, "value": … or "error": …, "changed": {…}}
    answer {"call": 7, "value": … or "error": …, "changed": {…}}

The judge trusts nothing of this: a student's code shares the process, and may rewrite it.
"""

import json
import linecache
import os
import queue
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from course_lib.grading.sandbox import serialize

NAME = "your answer"
BLOCKED = "course_lib"
NOT_HERE = "an answer may not import course_lib: write what it needs in its own cell"


class NoCourse:
    """A finder that refuses the course's library, with a reason. (Nor are its files here.)"""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """None for every other module: somebody else finds it."""
        if name.partition(".")[0] == BLOCKED:
            raise ImportError(NOT_HERE)


def answer(job: dict, source: int, sink: int, gradients: Callable) -> None:
    """Load job["source"], then serve calls of job["function"] until the pipe ends."""
    talk = _Talk(sink, gradients)
    for name in [name for name in sys.modules if name.partition(".")[0] == BLOCKED]:
        del sys.modules[name]
    sys.meta_path.insert(0, NoCourse)
    function = _load(job, talk)
    if function is None:
        return
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            message = json.loads(line)
            if "reply" in message:
                talk.replies[message["reply"]].put(message)
            else:
                talk.start(function, message)


def _load(job: dict, talk: "_Talk") -> Callable | None:
    """The answer's function; None, and the reason sent, where there isn't one."""
    module = sys.modules["answer"] = types.ModuleType("answer")
    lines = job["source"].splitlines(True)
    linecache.cache[NAME] = (len(job["source"]), None, lines, NAME)
    try:
        exec(compile(job["source"], NAME, "exec"), vars(module))
    except BaseException as error:  # sys.exit() as well
        talk.send({"status": "did not load", "error": describe(error)})
        return None
    function = vars(module).get(job["function"])
    if callable(function):
        talk.send({"status": "loaded"})
        return function
    talk.send({"status": "no function"})
    return None


def describe(error: BaseException) -> dict:
    """The exception, with those frames of its traceback that are the answer's own, as text."""
    described = serialize.encode_error(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == NAME]
    text = "".join(traceback.format_list(frames[-5:]))
    if isinstance(error, SyntaxError) and type(error) in (SyntaxError, IndentationError, TabError):
        text = "".join(traceback.format_exception_only(error)[:-1])
    described["frames"] = text[-2000:].encode("utf-8", "replace").decode()
    return described


class _Talk:
    """This process's end of the pipe, shared by the threads that run the calls."""

    def __init__(self, sink: int, gradients: Callable):
        self.sink, self.gradients = sink, gradients
        self.replies: dict[int, queue.SimpleQueue] = {}
        self.proxies: dict[int, Any] = {}
        self.writing, self.here = threading.Lock(), threading.local()

    def send(self, message: dict) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self.writing:
            while data:
                data = data[os.write(self.sink, data) :]

    def start(self, function: Callable, message: dict) -> None:
        """A call in a thread of its own: a harness may have several under way.

        An answer that has used up its threads gets no more: that is what its call then raises.
        Without a word of it the process would end here, and the judge could not name the cause.
        """
        try:
            threading.Thread(target=self.call, args=(function, message), daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            self.send({"call": message["call"], "error": describe(error), "changed": {}})

    def call(self, function: Callable, message: dict) -> None:
        """Run one call. Send its value or exception, and the arguments that it changed."""
        number = self.here.number = message["call"]
        self.replies[number] = queue.SimpleQueue()
        reply: dict[str, Any] = {"call": number}
        try:
            given = serialize.decode(message["arguments"], self.proxy)
            keywords = serialize.decode(message["keywords"], self.proxy)
            which = message["gradients"]
            run = self.gradients(function, which) if which else function
            try:
                reply["value"] = serialize.encode(run(*given, **keywords), _handle_of)
            except BaseException as error:  # sys.exit() as well
                reply["error"] = describe(error)
            reply["changed"] = serialize.changes(given, message["arguments"], _handle_of)
        except BaseException as error:  # what it did to its arguments has no plain form
            reply = {"call": number, "error": describe(error), "changed": {}}
        self.send(reply)

    def ask(self, handle: int, method: str, arguments: tuple, keywords: dict) -> Any:
        """Call a method of one of the judge's objects, and wait for its reply."""
        number = getattr(self.here, "number", None)
        if number is None:
            raise RuntimeError(f"call .{method} in the thread that your function was called in")
        sent = serialize.encode(list(arguments), _handle_of)
        self.send(
            {
                "call": number,
                "ask": method,
                "handle": handle,
                "arguments": sent,
                "keywords": serialize.encode(keywords, _handle_of),
            }
        )
        reply = self.replies[number].get()
        serialize.put_back(arguments, reply["changed"], self.proxy)
        if "error" in reply:
            raise serialize.decode_error(reply["error"], RuntimeError)
        return serialize.decode(reply["value"], self.proxy)

    def proxy(self, handle: dict) -> Any:
        """The stand-in for an object of the judge's: it has the methods that may be called."""
        number = handle["id"]
        if number not in self.proxies:
            methods = {name: self._method(number, name) for name in handle["methods"]}
            self.proxies[number] = type(handle["name"], (_Proxy,), methods)()
        made = self.proxies[number]
        vars(made).update(serialize.decode(handle["reads"]), _handle=handle)
        return made

    def _method(self, number: int, name: str) -> Callable:
        def method(_, *arguments, **keywords):
            return self.ask(number, name, arguments, keywords)

        method.__name__ = name
        return method


class _Proxy:
    """The stand-in for an object of the judge's, whose methods ask the judge."""


def _handle_of(value: Any) -> dict | None:
    return vars(value).get("_handle") if isinstance(value, _Proxy) else None
