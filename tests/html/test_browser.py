"""The page in a real browser: no scrolling sideways, no overlaps, no requests, enough contrast."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser, Tab, find_chromium, open_browser
from conftest import Run

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]

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
