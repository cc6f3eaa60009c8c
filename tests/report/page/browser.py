"""A headless Chromium that says what it makes of a page, through its DevTools protocol over a pipe."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""What the program may be called, the quickest first."""

SECONDS = 30.0
"""How long an answer may take."""

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")

START = """
import os, sys
for end, descriptor in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(end), descriptor)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads what it is asked from descriptor 3, and answers on descriptor 4."""


def find() -> str | None:
    """Return the path of a browser, or None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One process, and in it one page at a time.

    Attributes:
        errors: what went wrong in the page: errors and warnings of the console, exceptions, requests refused.
        requests: the addresses it asked for, its own among them.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._asked, self._rest, self._is_loaded = 0, b"", False
        self._session: str | None = None
        theirs_in, self._to = _above_ten(os.pipe())
        self._from, theirs_out = _above_ten(os.pipe())
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", START, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None
        try:
            self._call("Browser.close")
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)

    def open(self, page: Path, *, width: int = 1200, scheme: Literal["light", "dark"] = "light") -> None:
        """Open a file as on a screen that is so many pixels wide; a narrow one is that of a phone."""
        self._session = None
        self.errors, self.requests, self._is_loaded = [], [], False
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._is_loaded = False
        self._call("Page.navigate", url=page.absolute().as_uri())
        while not self._is_loaded:
            self._receive()

    def ask(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page, which cannot forbid it."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while self._asked not in self._answers:
            self._receive()
        answer = self._answers.pop(self._asked)
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def _receive(self) -> None:
        """Take in what the browser says next."""
        ready, _, _ = select.select([self._from], [], [], SECONDS)
        received = os.read(self._from, 1 << 20) if ready else b""
        if not received:
            raise TimeoutError(f"the browser says nothing; it {'runs' if self._process.poll() is None else 'ended'}")
        *messages, self._rest = (self._rest + received).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") == self._session:
                self._note(message["method"], message["params"])

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._is_loaded = True
        elif event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Network.loadingFailed":
            self.errors.append(f"not loaded: {told['errorText']}")
        elif event == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"]["exception"].get("description", ""))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(part.get("value")) for part in told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])


def _above_ten(ends: tuple[int, int]) -> tuple[int, int]:
    """Move a pipe's ends out of the way of the descriptors that the browser uses."""
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing
