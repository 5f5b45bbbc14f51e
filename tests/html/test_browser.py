"""The page in a headless Chromium: no scrolling sideways, no overlaps, no requests, enough contrast."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]

# A browser over its debugging pipe.

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0  # seconds for one answer; a loaded machine is slow


def find_chromium() -> str | None:
    """The browser's path, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Browser:
    """Messages to and from one browser process, each ended by a zero byte."""

    def __init__(self, process: subprocess.Popen[bytes], into: int, out: int) -> None:
        self._process, self._into, self._out = process, into, out
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._last:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def wait_for(self, method: str) -> None:
        """Wait for an event, unless it is here already."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self._out, 1 << 20) if ready else b""
            if not piece:
                raise RuntimeError(f"no answer from the browser (exit code {self._process.poll()})")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


class Tab:
    """One page at one width, light or dark."""

    def __init__(self, browser: Browser, page: Path, *, width: int, dark: bool) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        browser.wait_for("Page.loadEventFired")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def value(self, expression: str) -> Any:
        """What a script in the page gives, as JSON."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What the browser logged: errors, violations of the page's policy, exceptions."""
        found = []
        for event in self._browser.events:
            if event.get("method") == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
            elif event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found.append(json.dumps(event["params"]))
        return found

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile, and end it and its children."""
    program = find_chromium()
    if program is None:
        raise RuntimeError("there is no chromium")
    read_commands, into = os.pipe()
    out, write_answers = os.pipe()
    # The browser reads commands from descriptor 3 and answers on 4.
    script = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}'
    process = subprocess.Popen(
        ["bash", "-c", script, program, *_OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(read_commands, write_answers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(process, into, out)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(into)
        os.close(out)


# What is asked of a page.

_SPILLS = """
(() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && !e.closest('svg') && !e.closest('.hidden'))
  .filter(e => { const r = e.getBoundingClientRect();
    return r.width && r.right > document.documentElement.clientWidth + 0.5 })
  .map(e => e.tagName + '.' + e.className))()
"""
_COLLISIONS = """
(() => { const found = [];
  for (const chart of document.querySelectorAll('svg.chart')) {
    const out = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([name, r], i) => {
      const inside = r.left >= out.left - 1 && r.right <= out.right + 1 && r.top >= out.top - 1
        && r.bottom <= out.bottom + 1;
      if (!inside) found.push([name, 'leaves the figure']);
      texts.slice(i + 1).forEach(([other, s]) => {
        const wide = Math.min(r.right, s.right) - Math.max(r.left, s.left);
        const high = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
        if (wide > 0.5 && high > 0.5) found.push([name, other]);
      });
    });
  }
  return found })()
"""
_SMALLEST_TEXT = """
Math.min(...[...document.querySelectorAll('svg.chart text')].map(t =>
  parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width / 400))
"""
_CONTRASTS = """
(() => {
  const light = c => { const v = c.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
  const clear = c => c === 'transparent' || /, 0\\)$/.test(c);
  const ground = e => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor; if (!clear(c)) return c } return 'rgb(255, 255, 255)' };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('title, desc') || e.matches('.on')) continue;
    const style = getComputedStyle(e), ink = e.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.tagName + ': ' + e.textContent.slice(0, 30)]);
  }
  return found })()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("no chromium on this machine: the page was not looked at in a browser")
    with open_browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def written(run: Run, place: Path, *arguments: str | Path) -> Path:
    target = place / "report.html"
    assert run("report", *arguments, "-o", target).code == 0
    return target


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("mnist_multilayer", 320, "light"),
        ("mnist_multilayer", 375, "dark"),
        ("mnist_multilayer", 1200, "light"),
        ("paper_example", 320, "dark"),
        ("paper_example", 375, "light"),
        ("paper_example", 1200, "dark"),
    ],
)
def test_the_page_looks_right(
    browser: Browser, run: Run, config: Config, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    """Every two of page, width and scheme are met together."""
    dark = scheme == "dark"
    page = written(run, tmp_path, config(name))
    tab = Tab(browser, page, width=width, dark=dark)
    assert tab.value("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    tab.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(_SPILLS) == []
    assert tab.value(_COLLISIONS) == []
    assert tab.value(_SMALLEST_TEXT) >= 9.0
    contrasts = tab.value(_CONTRASTS)
    assert len(contrasts) > 150
    assert [pair for pair in contrasts if pair[0] < 4.5] == []
    ground = tab.value("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    assert tab.requests() == [page.as_uri()]
    assert tab.complaints() == []
    tab.close()


def test_a_hole_in_the_escaping_would_still_be_stopped(
    browser: Browser, run: Run, config: Config, tmp_path: Path
) -> None:
    """The page's own policy refuses scripts and requests; this also shows that the check above can fail."""
    page = written(run, tmp_path, config("paper_example"))
    text = page.read_text(encoding="utf-8")
    attack = "<script>window.pwned=1</script><img src=http://x.invalid/ onerror=window.pwned=1></main>"
    page.write_text(text.replace("</main>", attack), encoding="utf-8")
    tab = Tab(browser, page, width=375, dark=False)
    assert tab.value("[typeof window.pwned, document.images.length]") == ["undefined", 1]
    assert [each for each in tab.complaints() if "Content Security Policy" in each]
    page.write_text(re.sub("<meta http-equiv.*?>", "", page.read_text(encoding="utf-8")), encoding="utf-8")
    without = Tab(browser, page, width=375, dark=False)
    assert without.value("typeof window.pwned") == "number"
    for each in (tab, without):
        each.close()
