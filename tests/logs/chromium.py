"""A headless Chromium that is told what to do over a pipe (Chrome DevTools Protocol), without anything to install.

With `--remote-debugging-pipe` it reads commands from file descriptor 3 and answers on 4, JSON with a NUL behind each
(content/browser/devtools/devtools_pipe_handler.cc of Chromium). That allows a page as narrow as a phone, which a
window of headless Chromium cannot be.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import pytest

INSTALL = Path(__file__).parents[2] / "scripts" / "install_chromium.sh"

PHONE = 600
"""Narrower screens are a phone's, which heeds the viewport of a page."""


def program() -> str:
    """Where Chromium is; installed where that may be done, else the test is skipped, and in CI it fails."""
    found = shutil.which("chromium")
    if found is None:
        done = subprocess.run([str(INSTALL)], capture_output=True, text=True, check=False)
        found = shutil.which("chromium")
        if found is None:
            reason = f"no Chromium: {(done.stderr.strip().splitlines() or ['it cannot be installed'])[-1]}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


class Browser:
    """One page of a browser of its own, with its own empty profile."""

    def __init__(self, profile: Path) -> None:
        # The browser's ends must be 3 and 4; a shell moves them there, since Python passes descriptors by number only.
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{commands} 4>&{answers}',
                "bash",
                program(),
                "--headless=new",
                "--no-sandbox",  # root in a container has none
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                f"--user-data-dir={profile}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        pages = self.send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in pages if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._session = None
        try:
            self.send("Browser.close")
            self._process.wait(20)
        except (EOFError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """One command, and what it answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            said = self._read()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])

    def wait(self, event: str) -> dict[str, Any]:
        """What the next event of a name says."""
        while True:
            said = self._read()
            if said.get("method") == event:
                return dict(said["params"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._answers, 1 << 16)
            if not part:
                raise EOFError("Chromium has ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        said = dict(json.loads(message))
        if "method" in said:
            self.events.append(said)
        return said

    def open(self, page: Path, width: int, height: int = 900, *, dark: bool = False, media: str = "") -> None:
        """Show a file on a screen of a size in pixels, in light or dark, as on the screen or on paper."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        said = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as a person presses it."""
        for kind in ("keyDown", "keyUp"):
            codes = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36}
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                text="\r" if key == "Enter" and kind == "keyDown" else "",
            )

    def screenshot(self, to: Path) -> None:
        """The whole page as PNG, on a screen as high as it: what is beyond a screen is not always painted."""
        width, height = (int(self.ask(f"document.documentElement.scroll{side}")) for side in ("Width", "Height"))
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < PHONE
        )
        shot = self.send("Page.captureScreenshot", format="png")
        to.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings of the page since it was opened, those of its Content-Security-Policy among them."""
        self.ask("0")  # what was said before is read by then
        kinds = {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}
        return [event for event in self.events if event["method"] in kinds]

    def loads(self) -> list[str]:
        """What was asked for since the page was opened, the page itself first."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
