"""`python -m benchmarks.convolution`: a small convolutional network on MNIST and CIFAR-10.

`rsgadvise recommend --model ... --optimizer adam --epochs 5` runs as a user runs it, timed from start to end.
The network is then trained by its answer, and by Adam at 1e-3, with a constant stepsize and one that
falls linearly to 0. RSGADVISE_DATA names the folder of the data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from rsgadvise.data import load_rows, measure, open_data
from rsgadvise.pilot.torch_model.replicas import Candidate

__all__ = ["cifar", "main", "mnist"]

BATCH_SIZE, EPOCHS = 32, 5


def _network(colours: int, side: int) -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Unflatten(1, (colours, side, side)),
        nn.Conv2d(colours, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (side // 4) ** 2, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def mnist() -> Any:
    """For images of 28 by 28."""
    return _network(1, 28)


def cifar() -> Any:
    """For images of 32 by 32 in three colours."""
    return _network(3, 32)


SETTINGS = {
    "mnist": (
        ("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"),
        ("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"),
    ),
    "cifar": (("cifar10/data_batch_1.npz", None), ("cifar10/test_batch_first1000.npz", None)),
}


def _rows(folder: Path, part: tuple[str, str | None]) -> tuple[Any, Any]:
    file, labels = part
    source = open_data(folder / file, target=None if labels is None else str(folder / labels))
    inputs, targets = load_rows(source, measure(source, spectrum=False))
    assert targets is not None
    return torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets).argmax(dim=1)


def _advice(name: str, folder: Path) -> tuple[Candidate, float]:
    """What the command says, and how long it took."""
    file, labels = SETTINGS[name][0]
    command = [sys.executable, "-m", "rsgadvise", "recommend", "--model", f"{__file__}:{name}"]
    command += ["--data", str(folder / file), "--optimizer", "adam", "--epochs", str(EPOCHS)]
    command += ["--batch-size", str(BATCH_SIZE), "-q", "-f", "json"]
    if labels is not None:
        command += ["--target", str(folder / labels)]
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    plan = json.loads(done.stdout)["train"]
    return Candidate(plan["stepsize"], plan["schedule"], plan["warmup"] / plan["iterations"]), seconds


def _trained(name: str, candidate: Candidate, parts: Any, seed: int) -> tuple[float, float, float]:
    """Seconds, the loss of all rows to train on, and the share of rows held out that is wrong."""
    (inputs, targets), (others, labels) = parts
    torch.manual_seed(seed)
    module = globals()[name]()
    optimizer = torch.optim.Adam(module.parameters())
    steps = EPOCHS * len(inputs) // BATCH_SIZE
    loss = torch.nn.functional.cross_entropy
    order, at = torch.randperm(len(inputs)), 0
    begun = time.perf_counter()
    for step in range(steps):
        if at + BATCH_SIZE > len(inputs):
            order, at = torch.randperm(len(inputs)), 0
        rows, at = order[at : at + BATCH_SIZE], at + BATCH_SIZE
        for group in optimizer.param_groups:
            group["lr"] = candidate.stepsize * candidate.pace(step, steps)
        optimizer.zero_grad()
        loss(module(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    seconds = time.perf_counter() - begun
    with torch.no_grad():
        parts_of_all = zip(inputs.split(1000), targets.split(1000), strict=True)
        final = sum(float(loss(module(x), y, reduction="sum")) for x, y in parts_of_all) / len(inputs)
        wrong = float((module(others).argmax(dim=1) != labels).float().mean())
    return seconds, final, wrong


def main() -> int:
    """Print a table for each setting; the exit code is 2 where the data are not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    if not (folder / "mnist").is_dir():
        print("set RSGADVISE_DATA to the folder of the data sets", file=sys.stderr)
        return 2
    for name, files in SETTINGS.items():
        advised, seconds = _advice(name, folder)
        print(f"{name}: advice in {seconds:.0f} s", flush=True)
        parts = [_rows(folder, part) for part in files]
        ways = {
            f"advised, {advised.stepsize:.2g}": advised,
            "0.001, linear": Candidate(0.001),
            "0.001, constant": Candidate(0.001, "constant"),
        }
        for what, candidate in ways.items():
            found = [_trained(name, candidate, parts, seed) for seed in seeds]
            took, final, wrong = (statistics.median(each) for each in zip(*found, strict=True))
            print(
                f"  {what:20} {took:4.0f} s   final loss {final:.5f}   held out {wrong:.2%} wrong", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
