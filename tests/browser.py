"""A headless browser for pages, where there is one."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]


def chromium() -> str:
    """The browser on the path; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on PATH, so the page cannot be opened here")
    return found


def open_page(page: Path, profile: Path, *options: str) -> str:
    """What a headless browser prints about the page; skips where there is no browser."""
    command = [chromium(), *FLAGS, f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=1500", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def play(page: Path, profile: Path, reader: str) -> str:
    """The opening tag of the page after ``reader``, a script at its end, has played its part."""
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"<script>{reader}</script></body>"), encoding="utf-8")
    return open_page(page, profile, "--dump-dom").partition("<head>")[0]


class NavigatedError(AssertionError):
    """The page was replaced by another while it was asked."""


class Tab:
    """One page of a running browser, told what to do by the DevTools protocol over a pair of pipes.

    requests: every address asked for. trouble: what the console, the page and the policy of its content complain of.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in, self._out, self._rest = incoming, outgoing, b""
        self._numbers = itertools.count(1)
        self._session = ""
        self.requests: list[str] = []
        self.trouble: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": parameters}
        os.write(self._out, json.dumps(told | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == number:
                if "Inspected target navigated" in message.get("error", {}).get("message", ""):
                    raise NavigatedError(method)
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser is gone"
            self._rest += part
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)

    def _note(self, message: dict[str, Any]) -> None:
        method, told = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.trouble.append(str(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.trouble.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.trouble.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.documentElement.dataset.ready === 'true'")

    def reload(self) -> None:
        self.run("delete document.documentElement.dataset.ready")
        self.call("Page.reload")
        self.wait("document.documentElement.dataset.ready === 'true'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Until an expression holds in the page."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(NavigatedError):  # the next page is asked again
                if self.run(f"(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"):
                    return
            assert time.monotonic() < end, f"{condition}: not within {seconds} s; {self.trouble}"
            time.sleep(0.02)

    def press(self, key: str, code: int = 0) -> None:
        """A key, down and up. code: of the keys that write nothing, what Windows calls it."""
        told: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code or ord(key.upper())}
        text = "\r" if key == "Enter" else "" if code else key
        self.call("Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def middle(self, selector: str) -> dict[str, float]:
        """Where the middle of an element is on the screen."""
        x, y = self.run(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        return {"x": x, "y": y}

    def tap(self, selector: str) -> None:
        """A finger on an element, as on a phone (``phone``)."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[self.middle(selector)])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def click(self, selector: str) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **self.middle(selector))

    def screen(self, width: int, height: int, phone: bool = False) -> None:
        """The size of the page in its own pixels; a phone is touched, and has no mouse."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own; skips where there is none."""
    (into, outgoing), (incoming, out) = os.pipe(), os.pipe()

    def as_expected() -> None:  # it reads from 3 and writes to 4
        a, b = os.dup(into), os.dup(out)
        os.dup2(a, 3)
        os.dup2(b, 4)

    command = [chromium(), *FLAGS, f"--user-data-dir={profile}", "--no-first-run", "--remote-debugging-pipe"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, preexec_fn=as_expected, close_fds=False, start_new_session=True, **quiet)
    os.close(into)
    os.close(out)
    try:
        tab = Tab(incoming, outgoing)
        yield tab
        tab._session = ""
        with contextlib.suppress(AssertionError, OSError):
            tab.call("Browser.close")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        os.close(incoming)
        os.close(outgoing)
