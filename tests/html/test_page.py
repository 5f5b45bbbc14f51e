"""The page: valid, self-contained, readable, and with nothing of a spec that acts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import html5lib
import numpy as np
import pytest
from conftest import Run
from test_markup import read

from rsgadvise.show.html.style import DARK, LIGHT, sheet

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]
CONFIGS = ["paper_example", "mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]
HOSTILE = "</title></style><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>\"&\u202e"
MOST_BYTES = 200_000


def page(run: Run, *arguments: str | Path, code: int = 0) -> str:
    result = run("report", *arguments, "-o", "-")
    assert (result.code, result.err) == (code, "")
    return result.out


def parsed(text: str) -> ET.Element:
    """The document by the rules of HTML; an error of syntax is an error of the test."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    found: ET.Element = parser.parse(text)
    return found


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    return read(text).tags


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A spec whose every text tries to be markup."""
    generator = np.random.default_rng(0)
    name = "<b>'&\"`.npz"
    rows = generator.random((40, 5))
    rows[:, 2] = 0.5
    arrays = {"x": rows, "<i>y": generator.integers(0, 3, 40)}
    np.savez(tmp_path / name, **arrays)  # type: ignore[arg-type]
    spec = tmp_path / "<script>alert(1)<!--.yaml"
    quoted = name.replace('"', '\\"')
    spec.write_text(
        f"# {HOSTILE}\n"
        "network: {kind: single_layer, layers: [5, 3]}\n"
        f'data: {{file: "{quoted}", array: x, target: "<i>y", mean: 0.1}}\n'
    )
    return spec


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("name", CONFIGS)
def test_pages_are_valid_and_self_contained(run: Run, config: Config, name: str, constants: str) -> None:
    text = page(run, config(name), "--constants", constants)
    check_page(text)
    found = tags(text)
    pictures = [attributes for tag, attributes in found if tag == "svg" and attributes.get("role") == "img"]
    assert len(pictures) == 3
    assert len([tag for tag, _ in found if tag == "details"]) == 3
    assert len(text.encode()) < MOST_BYTES


def check_page(text: str) -> None:
    """Everything that is true of any page."""
    document = parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    found = tags(text)
    names = {tag for tag, _ in found}
    assert not names & {"script", "iframe", "object", "embed", "form", "img", "base", "a:script"}
    identifiers = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(set(identifiers)) == len(identifiers)
    for tag, attributes in found:
        for key, value in attributes.items():
            assert not key.startswith("on"), (tag, key)
            assert key != "style", tag
            if key in ("href", "src", "action", "xlink:href"):
                assert value == "data:," or str(value).startswith("#"), value
            if key == "href" and str(value).startswith("#"):
                assert str(value)[1:] in identifiers
            if key in ("aria-labelledby", "aria-describedby"):
                assert set(str(value).split()) <= set(identifiers)
    css = "".join(document.find("head/style").itertext())  # type: ignore[union-attr]
    assert "url(" not in css
    assert "@import" not in css
    assert "http" not in css
    policy = next(a["content"] for t, a in found if t == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in str(policy)
    pictures = list(document.iter("{http://www.w3.org/2000/svg}svg"))
    assert pictures
    for picture in pictures:
        check_picture(picture)
    levels = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def check_picture(picture: ET.Element) -> None:
    """A picture is named and described, or left out for whoever hears the page."""
    svg = "{http://www.w3.org/2000/svg}"
    if picture.get("aria-hidden") == "true":
        return
    assert picture.get("role") == "img"
    title, description = picture.find(f"{svg}title"), picture.find(f"{svg}desc")
    assert title is not None
    assert title.text
    assert description is not None
    assert description.text
    for node in picture.iter():
        for key in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "d"):
            assert not re.search("nan|inf", node.get(key, ""), flags=re.I), (node.tag, key)


def test_nothing_of_a_spec_acts(run: Run, hostile: Path) -> None:
    override = "training.initial_loss=2.5  # <u>&amp;"  # comes back in the commands
    text = page(run, hostile, "--title", HOSTILE, "--set", override)
    check_page(text)
    assert "<u>" not in text
    assert override in read(text).text
    assert "<script" not in text
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", text)
    reader = read(text)
    assert reader.text.count("<script>window.pwned=1</script>") == 3  # title, heading, comment of the spec
    assert "\u202e" not in text
    assert "alert(1)<!--.yaml" in reader.text
    assert "1 of 5 columns hold one value only" in reader.text
    assert "data.mean is 0.1 in the spec" in reader.text


def test_the_header_says_what_is_advised(run: Run, config: Config) -> None:
    paper = ("--constants", "paper")
    text = read(page(run, config("mnist_single_layer"), *paper)).text
    for part in (
        "Train with stepsize 0.001034, batches of 16 rows, 375,000 iterations (100 epochs), no dropout.",
        "at most 0.05156, which is proven for any data in [0, 1] with these moments",
        "training.initial_loss = 10: the largest possible loss",
        "Near tie: batch sizes 16, 32, 64, 128, 256",
    ):
        assert part in text
    unproven = page(run, config("mnist_autoencoder"), *paper)
    assert "not proven for this data" in read(unproven).text
    assert '<dt>that bound is</dt><dd class="no">not proven</dd>' in unproven
    vacuous = ("--set", "search.batch_size=[16]", "--set", "budget={epochs: 0.0003}")
    assert (
        "is vacuous: no squared gradient norm"
        in read(page(run, config("mnist_autoencoder"), *paper, *vacuous)).text
    )


def test_without_a_plan_the_page_says_why(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "--constants", "paper")
    text = page(run, config("mnist_autoencoder"), *options, code=1)
    check_page(text)
    said = read(text).text
    assert "No plan for autoencoder 784-100" in said
    assert "no batch size allowed reaches the target" in said.lower()
    assert "curves" not in [attributes.get("id") for _, attributes in tags(text)]


def commands(text: str) -> list[str]:
    """The command lines of a page."""
    blocks = re.findall(r'<pre class="wrap"><code>(.*?)</code></pre>', text, flags=re.S)
    return [read(block).text for block in blocks]


@pytest.mark.parametrize("name", CONFIGS)
def test_its_commands_give_the_same_again(run: Run, config: Config, name: str) -> None:
    asked = ("--set", "data.samples=50000", "--top", "2", "--constants", "paper")
    text = page(run, config(name), *asked)
    lines = [shlex.split(line) for line in commands(text)]
    assert {line[0] for line in lines} == {"rsgadvise"}
    again, ranking, bound, emitted = (line[1:] for line in lines)
    assert again[-2:] == ["-o", "report.html"]
    shown = [float(cell) for cell in re.findall(r"<dt>bound</dt><dd>(.*?)</dd>", text)]
    best = run.document(*ranking)["recommendations"]
    evaluated = run.document(*bound)
    assert len(best) == (1 if name == "paper_example" else 2)
    assert evaluated["bound"] == best[0]["bound"] == pytest.approx(shown[0], rel=1e-3)
    assert run(*emitted).out.startswith("# Randomly stopped SGD")


def test_a_spec_from_standard_input_is_shown_and_named(run: Run) -> None:
    spec = "network: {kind: single_layer, layers: [4, 2]}  # <mine>\ndata: {mean: 0.5, samples: 100}\n"
    result = run("report", "-", "-o", "-", stdin=spec)
    assert result.code == 0
    reader = read(result.out)
    assert spec in reader.text
    assert "rsgadvise recommend spec.yaml" in reader.text
    assert "saved as spec.yaml" in reader.text


def test_large_specs_and_deep_networks_stay_small(run: Run, tmp_path: Path) -> None:
    deep = tmp_path / "deep.yaml"
    layers = [20] * 60
    deep.write_text(
        f"network: {{kind: multilayer, layers: {layers}, weight_bound: 0.1}}\n"
        f"data: {{mean: 0.2, samples: 1000}}\n# {'x' * 100_000}\n"
    )
    text = page(run, deep, "--top", "100")
    check_page(text)
    assert len(text.encode()) < MOST_BYTES
    assert "characters are left out" in text
    listed = tmp_path / "listed.yaml"
    listed.write_text(
        f"network: {{kind: single_layer, layers: [9, 2]}}\ntraining: {{stopping: {[1 / 4096] * 4096}}}\n"
    )
    text = page(run, listed)
    check_page(text)
    assert len(text.encode()) < MOST_BYTES
    assert "Not drawn: Bound against iterations" in read(text).text


def test_all_inputs_zero(run: Run, tmp_path: Path) -> None:
    """No gradient at all: the limit is 0, and a log axis has no place for it."""
    spec = tmp_path / "zero.yaml"
    spec.write_text("network: {kind: single_layer, layers: [9, 2]}\ndata: {mean: 0, samples: 50}\n")
    check_page(page(run, spec))


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # just fails AA


@pytest.mark.parametrize("name", ["light", "dark"])
def test_colours_have_enough_contrast(name: str) -> None:
    """From the style sheet itself: AA for text, 3 for lines and the edges of controls."""
    blocks = re.findall(r":root\{(--[^}]*)\}", sheet())
    colours = dict(re.findall(r"--([a-z]+):(#[0-9a-f]{6})", blocks[["light", "dark"].index(name)]))
    assert colours == (LIGHT if name == "light" else DARK)
    for word in ("fg", "muted", "link", "yes", "no", "unknown"):
        for ground in ("bg", "panel", "row"):
            assert contrast(colours[word], colours[ground]) >= 4.5, (word, ground)
    for line in ("first", "second", "third", "fg", "muted"):
        assert contrast(colours[line], colours["bg"]) >= 3, line


def test_every_class_that_is_drawn_has_a_style(run: Run, config: Config) -> None:
    css = sheet()
    for name in CONFIGS:
        for tag, attributes in tags(page(run, config(name))):
            classes = str(attributes.get("class") or "").split()
            assert not classes or any(f".{each}" in css for each in classes), (tag, classes)
