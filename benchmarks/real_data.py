"""`python -m benchmarks.real_data`: both bounds against networks trained on MNIST and CIFAR-10.

The files lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DATA = {
    "MNIST": ("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz", 784),
    "CIFAR-10": ("cifar10/data_batch_1_first2000", None, 3072),
}
KINDS = {
    "1-NN": ("single_layer", (10,), "", 1.0),
    "autoencoder": ("autoencoder", (50,), ", weight_bound: 0.05", 1.0),
    "denoising autoencoder": ("autoencoder", (20,), ", weight_bound: 0.05", 0.8),
    "3 layers": ("multilayer", (100, 50, 10), ", weight_bound: 0.1", 1.0),
    "3 layers, dropout": ("multilayer", (100, 50, 10), ", weight_bound: 0.1", 0.8),
}


def _spec(data: str, kind: str, folder: Path) -> str:
    """A spec that leaves the stepsize to be recommended."""
    file, labels, columns = DATA[data]
    name, widths, box, keep = KINDS[kind]
    target = "" if labels is None or name == "autoencoder" else f", target: {folder / labels}"
    layers = ", ".join(map(str, (columns, *widths)))
    return (
        f"network: {{kind: {name}, layers: [{layers}]{box}}}\n"
        f"data: {{file: {folder / file}{target}}}\n"
        f"training: {{batch_size: 100, iterations: 1000, keep_prob: {keep}}}\n"
    )


def _verified(name: str, text: str, constants: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text)
        command = [str(Path(sys.executable).parent / "rsgadvise"), "verify", name, "--runs", "8"]
        done = subprocess.run(
            [*command, "--advice", constants, "-q", "-f", "json"],
            check=False,
            stdout=subprocess.PIPE,
            cwd=folder,
        )
    found: list[dict[str, Any]] = json.loads(done.stdout)["cases"]
    return found


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _row(data: str, kind: str, constants: str, cases: list[dict[str, Any]], seconds: float) -> str:
    paper, certified = cases
    note = next(note for note in paper["notes"] if note.startswith("Trained"))
    stepsize = note.partition("stepsize ")[2].partition(", batch")[0]
    cells = [data, kind, constants, stepsize]
    cells += [_number(paper["measured"]), _number(paper["upper"])]
    for case in cases:
        mark = "vacuous, " if case["vacuous"] else ""
        cells += [_number(case["bound"]), mark + ("approximate" if case["approximate"] else case["verdict"])]
        cells += [_number(case["looseness"])]
    cells += [
        f"{_number(certified['initial_loss'])} to {_number(certified['final_loss'])}",
        f"{seconds:.0f} s",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print one row per data set, network and set of constants that chose the stepsize."""
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    if not (folder / DATA["MNIST"][0]).is_file():
        print("skipped: set RSGADVISE_DATA to the folder of the data sets")
        return
    head = ["data", "network", "stepsize chosen with", "stepsize", "measured", "at most"]
    head += ["paper", "verdict", "loose", "certified", "verdict", "loose", "loss", "time"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head), flush=True)
    for data in DATA:
        for kind in KINDS:
            if KINDS[kind][3] < 1 and data != "MNIST":
                continue  # masks over 3,072 pixels take many minutes
            for constants in ("paper", "certified"):
                begun = time.perf_counter()
                name = f"{data} {kind}.yaml"  # the randomness is a function of the name
                cases = _verified(name, _spec(data, kind, folder), constants)
                print(_row(data, kind, constants, cases, time.perf_counter() - begun), flush=True)


if __name__ == "__main__":
    main()
