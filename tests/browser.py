"""A real Chromium for tests of the page: moves a mouse, taps, presses keys, and says what came of it.

Speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol) over one websocket: the page
is driven by the events of a hand, never by calling its functions. Needs a Chromium or Chrome that is
installed; brings none.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
_WAIT = 120.0
"""Seconds; a machine that trains beside the tests is slow."""
_KEYS = {
    "ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35, "Escape": 27,
    "Enter": 13, "Tab": 9, " ": 32, "Backspace": 8,
}  # fmt: skip


def chromium() -> str | None:
    """Path of a Chromium on this machine (`CHROMIUM` names another), or None."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, _NAMES), str(_MAC) if _MAC.exists() else None]
    return next((path for path in found if path), None)


class Browser:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._socket = connect(address, max_size=None, open_timeout=_WAIT)
        self._sent = 0
        self.errors: list[str] = []
        """Exceptions of the page's script, and what its security policy refused."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol and its result; events on the way are read for errors."""
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=_WAIT))
            if message.get("id") == self._sent:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params") or {}
        if message.get("method") == "Runtime.exceptionThrown":
            detail = params["exceptionDetails"]
            self.errors.append((detail.get("exception") or {}).get("description") or detail["text"])
        if message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])

    def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        end = time.monotonic() + _WAIT
        while self.js("document.readyState !== 'complete' || location.href === 'about:blank'"):
            if time.monotonic() > end:
                raise TimeoutError(url)
            time.sleep(0.02)

    def js(self, expression: str) -> Any:
        """Value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in found:
            detail = found["exceptionDetails"]
            raise RuntimeError((detail.get("exception") or {}).get("description") or detail["text"])
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """Text of the first element that fits, as it is shown."""
        return str(self.js(f"document.querySelector({json.dumps(selector)}).innerText.trim()"))

    def shown(self, selector: str) -> int:
        """How many elements that fit are visible."""
        return int(self.js(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter((e) => e.checkVisibility() && getComputedStyle(e).display !== 'none').length"
        ))  # fmt: skip

    def place(self, selector: str) -> tuple[float, float]:
        """Middle of an element in the window, after it was scrolled there."""
        x, y = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'nearest', behavior: 'instant'});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return x, y

    def hover(self, selector: str) -> None:
        """Move the mouse over an element."""
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Click an element with the mouse."""
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def tap(self, selector: str) -> None:
        """Touch an element with a finger (after `window(…, phone=True)`)."""
        x, y = self.place(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            code = _KEYS[key]
            typed = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **typed)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", key=letter, text=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def window(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        """Size of the window; a phone has touch."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def media(self, scheme: str = "light", medium: str = "") -> None:
        """`dark` or `light`; `print` as medium lays the page out for paper."""
        self.call("Emulation.setEmulatedMedia", media=medium,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip

    def scripts(self, allowed: bool) -> None:
        """Whether pages that are loaded from now on may run their script."""
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def picture(self, path: Path, top: int = 0, height: int | None = None) -> None:
        """A screenshot as PNG, of what is in the window or of a part of the page."""
        clip = {}
        if height is not None:
            width = self.js("innerWidth")
            clip = {"clip": {"x": 0, "y": top, "width": width, "height": height, "scale": 1}}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=height is not None, **clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def paper(self, path: Path) -> None:
        """The page as it is printed, as PDF."""
        found = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Browser]:
    """A Chromium of its own with one tab; its profile and downloads lie in `folder`."""
    options = (
        "headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-extensions",
        "disable-background-networking", "remote-debugging-port=0", f"user-data-dir={folder / 'profile'}",
    )  # fmt: skip
    command = [program, *(f"--{option}" for option in options), "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = folder / "profile" / "DevToolsActivePort"
        end = time.monotonic() + _WAIT
        while not (port.exists() and len(port.read_text().split()) == 2):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{program} did not start")
            time.sleep(0.05)
        number, path = port.read_text().split()
        address = f"ws://127.0.0.1:{number}"
        with connect(address + path, open_timeout=_WAIT) as control:
            control.send(
                json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}})
            )
            tab = json.loads(control.recv(timeout=_WAIT))["result"]["targetId"]
        one = Browser(f"{address}/devtools/page/{tab}")
        one.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        yield one
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
