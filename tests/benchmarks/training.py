"""Training speed: samples per second, share of this machine's matmul peak, and the Hugging Face Trainer.

`make bench-training` writes `results/benchmarks/training.json`. Every row is a process of its own. Ours is
the engine as a study uses it (`lib.training.engine.train`, windows, dropout, clipping, AdamW); the peak is
that of a large matrix product with the same data type and threads in the same run; the baseline trains the
same architecture of `transformers` with the `Trainer`, once with its defaults and once with our batch and
precision. `busy` is ours again beside a process that does nothing but compute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.training.threads import spin_briefly

ROOT = Path(__file__).resolve().parents[2]

TARGET = ROOT / "results" / "benchmarks" / "training.json"
CONTEXT, CHANNELS = 80, 20
TIMED_SECONDS = 8.0
STRETCH_WINDOWS = 640
"""Between two validations, by the default recipe."""
MICRO = {"mixed": 256, "independent": 16}
"""Windows per forward pass; the rest of a batch is accumulated, as in a study."""


def device() -> Any:
    """The one that the engine chooses, so that peak, feeding and training are measured on the same."""
    from lib.config.training import Runtime
    from lib.training.devices import Device

    return Device.choose(Runtime()).handle


def matmul_speed(precision: str, seconds: float = 2.0) -> dict[str, float]:
    """FLOP/s of the best of some large matrix products: what this machine can do now.

    By `torch.matmul`, and on CPU by oneDNN, too: in fp32 PyTorch uses MKL, the slower one on some processors.
    """
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    size = {"cuda": 8192, "mps": 4096}.get(device().type, 2048)
    a = torch.randn(size, size, device=device()).to(dtype)
    b = torch.randn(size, size, device=device()).to(dtype)
    ways = {"matmul": lambda: a @ b}
    if device().type == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        ways["onednn"] = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    best = dict.fromkeys(ways, 0.0)
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for name, multiply in ways.items():
            start = time.perf_counter()
            product = multiply()
            float(product[0, 0])  # waits for the device
            best[name] = max(best[name], 2 * size**3 / (time.perf_counter() - start))
    return best


def processor() -> str:
    """The accelerator's name, or the processor's."""
    from lib.config.training import Runtime
    from lib.training.devices import Device
    from lib.training.provenance import hardware

    cpu, name = str(hardware()["cpu"]), Device.choose(Runtime()).name
    return f"{cpu}, {name}" if name else cpu


def architecture(budget: str) -> Any:
    import yaml

    from lib.config.model import Architecture

    path = ROOT / "config" / "architectures" / f"patchtst_{budget.lower()}.yaml"
    return Architecture(**yaml.safe_load(path.read_text(encoding="utf-8")))


def samples(n: int) -> Any:
    """Windows of random bars."""
    import numpy as np

    from lib.datasets.windows import Samples

    random = np.random.default_rng(0)
    matrix = random.standard_normal((n + CONTEXT - 1, CHANNELS)).astype(np.float32)
    ends = np.arange(CONTEXT - 1, len(matrix), dtype=np.int64)
    return Samples(
        matrix=matrix,
        ends=ends,
        target=random.integers(0, 2, n).astype(np.float32),
        dates=np.datetime64("2001-01-01") + np.arange(n),
        symbols=np.full(n, "X", dtype=object),
        context_length=CONTEXT,
        horizon=1,
        task="direction",
        channel_names=tuple(f"c{i}" for i in range(CHANNELS)),
    )


def ours(budget: str, mode: str, precision: str, batch: int, guess: float) -> dict[str, Any]:
    """Samples per second of the engine in its second half, the matmul peak then, the cost of feeding."""
    import numpy as np
    import torch

    from lib.config.training import Recipe, Runtime
    from lib.models.transformer.parameters import flops_per_sample
    from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
    from lib.training.batches import Windows
    from lib.training.context import TrainingContext
    from lib.training.devices import Device
    from lib.training.engine import train

    settings = PatchTSTSettings(channel_mode=mode).model_dump()
    size = architecture(budget)
    network = NetworkFactory(settings, size, CONTEXT, np.zeros(CHANNELS), np.ones(CHANNELS))()
    count = max(2, round(TIMED_SECONDS * guess / batch)) * batch
    chosen = Device.choose(Runtime())
    peak = matmul_speed(precision)
    training, selection = samples(count), samples(batch)
    with tempfile.TemporaryDirectory() as folder:
        result = train(
            network, training, selection, "bce",
            Recipe(max_steps=2 * count // batch, validate_every_steps=count // batch, effective_batch=batch),
            TrainingContext(
                seed=0, state_dir=Path(folder) / "state", precision=precision,
                micro_batch=min(batch, MICRO[mode]),
            ),
        )  # fmt: skip
    after = matmul_speed(precision)  # before and after: shared machines change their speed
    peak = {name: max(speed, after[name]) for name, speed in peak.items()}
    speed = float(result.history[-1]["samples_per_second"])
    windows = Windows(training, device())
    numbers = torch.randint(0, count, (batch,), device=device())
    begin, gathered = time.perf_counter(), 0
    while time.perf_counter() - begin < 1:
        windows.gather(numbers)
        gathered += batch
    chosen.synchronise()
    feeding = (time.perf_counter() - begin) / gathered
    return {
        "samples_per_second": speed,
        "flops_per_sample": flops_per_sample(settings, size, CHANNELS, CONTEXT),
        "matmul_peak": peak["matmul"],
        "best_peak": max(peak.values()),
        "feeding_share": feeding * speed,
        "peak_memory_mb": result.peak_memory_bytes / 1e6,
    }


def trainer(budget: str, mode: str, precision: str, batch: int, guess: float) -> dict[str, Any]:
    """Samples per second of the Trainer on the same architecture, with its dropout switched on for real."""
    import torch
    from torch import nn
    from transformers import PatchTSTConfig, PatchTSTModel, Trainer, TrainerCallback, TrainingArguments

    size = architecture(budget)
    width = CHANNELS if mode == "mixed" else 1

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = PatchTSTModel(
                PatchTSTConfig(
                    num_input_channels=CHANNELS // width, context_length=CONTEXT * width,
                    patch_length=size.patch_length * width, patch_stride=size.patch_stride * width,
                    num_hidden_layers=size.n_layers, d_model=size.d_model,
                    num_attention_heads=size.n_heads, ffn_dim=size.d_ff, norm_type="layernorm",
                    scaling=None, do_mask_input=False, attention_dropout=size.dropout,
                    ff_dropout=size.dropout, path_dropout=size.dropout, positional_dropout=size.dropout,
                )
            )  # fmt: skip
            self.head = nn.Linear(size.d_model * CHANNELS // width, 1)

        def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            if width > 1:
                inputs = inputs.flatten(start_dim=1).unsqueeze(-1)
            hidden = self.backbone(past_values=inputs).last_hidden_state[:, :, -1].flatten(start_dim=1)
            logits = self.head(hidden).squeeze(-1)
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
            return {"loss": loss, "logits": logits}

    class Clock(TrainerCallback):
        marks: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.marks.append(time.perf_counter())

    steps = max(5, round(TIMED_SECONDS * guess / batch))
    windows = torch.randn(batch * 4, CONTEXT, CHANNELS)
    data = [{"inputs": window, "labels": torch.tensor(float(n % 2))} for n, window in enumerate(windows)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=batch, report_to=[],
            save_strategy="no", disable_tqdm=True, logging_strategy="no", bf16=precision == "bf16",
            use_cpu=device().type == "cpu",
        )  # fmt: skip
        Trainer(model=Network(), args=arguments, train_dataset=data, callbacks=[Clock()]).train()  # type: ignore[arg-type]
    spent = Clock.marks[-1] - Clock.marks[1]
    return {"samples_per_second": (len(Clock.marks) - 2) * batch / spent}


def tracking(validations: int = 200) -> dict[str, Any]:
    """Seconds that tracking one validation in MLflow takes: from the training, and of its own thread."""
    from lib.config.training import TrackingConfig
    from lib.training.tracking import init_store, open_tracker

    row = dict.fromkeys(
        ("train_loss", "validation_loss", "selection_loss", "learning_rate", "seconds", "speed"), 0.5
    )
    with tempfile.TemporaryDirectory() as folder:
        config = TrackingConfig(mlflow=True, folder=Path(folder))
        init_store(config)
        tracker = open_tracker(config, "benchmark", {"a": 1}, {})
        tracker.log(row, 0)
        while not tracker._queue.empty():  # opened, and the first row written
            time.sleep(0.1)
        begin = time.perf_counter()
        for step in range(1, validations + 1):
            tracker.log(row, step)
        handed_over = time.perf_counter() - begin
        tracker.finish()
        written = time.perf_counter() - begin
    return {"handing_over_seconds": handed_over / validations, "background_seconds": written / validations}


def measure(kind: str, **arguments: Any) -> dict[str, Any]:
    """One measurement in a process of its own."""
    code = "import json,sys; sys.argv=['x']\n"
    code += (
        f"from tests.benchmarks import training as t; print('RESULT', json.dumps(t.{kind}(**{arguments!r})))"
    )
    environment = os.environ | {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    found: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return found


@contextmanager
def a_busy_process() -> Iterator[None]:
    """As a browser or a build beside a training: it wants one core all the time."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


CASES = [
    # budget, mode, effective batch (a study's is 256), rough samples per second on two cores (only sets how
    # long is measured)
    ("2M", "mixed", 256, 2000.0),
    ("20M", "mixed", 256, 300.0),
    ("200M", "mixed", 256, 40.0),
    ("2M", "independent", 64, 100.0),
    ("20M", "independent", 32, 20.0),
    ("200M", "independent", 16, 3.0),
]


def write(found: dict[str, Any]) -> None:
    """After each row, so that an ended run leaves what it measured."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first so many")
    parser.add_argument("--scale", type=float, default=1.0, help="times as fast as two cores, roughly")
    arguments = parser.parse_args()
    spin_briefly()
    found: dict[str, Any] = {"processor": processor(), "threads": os.cpu_count(), "rows": []}
    print(f"{processor()}, {os.cpu_count()} cores")
    print(
        f"{'':>18} precis. batch  samples/s  GFLOP/s   peak  share of best  feeding  memory   beside Trainer"
    )
    for budget, mode, batch, guess in CASES[: arguments.cases]:
        for precision in ("fp32", "bf16"):
            shape = {"budget": budget, "mode": mode, "batch": batch, "guess": guess * arguments.scale}
            row: dict[str, Any] = {"precision": precision} | shape
            row |= measure("ours", precision=precision, **shape)
            with a_busy_process():
                beside = measure("ours", precision=precision, **shape)
            row["beside_a_busy_process"] = beside.get("samples_per_second")
            row["trainer"] = measure("trainer", precision=precision, **shape)
            found["rows"].append(row)
            if "failed" in row:
                print(f"{budget} {mode} {precision}: {row['failed']}", flush=True)
                continue
            speed, other = row["samples_per_second"], row["trainer"].get("samples_per_second")
            flops = speed * row["flops_per_sample"]
            row["share_of_peak"] = flops / row["matmul_peak"]
            row["share_of_best_peak"] = flops / row["best_peak"]
            row["times_the_trainer"] = speed / other if other else None
            print(
                f"{budget + ' ' + mode:>18} {precision:>9} {batch:5} {speed:10,.1f} {flops / 1e9:8,.0f} "
                f"{row['matmul_peak'] / 1e9:6,.0f} {row['share_of_peak']:6.0%} "
                f"{row['share_of_best_peak']:7.0%} {row['feeding_share']:8.2%} "
                f"{row['peak_memory_mb']:7,.0f} {row['beside_a_busy_process'] or 0.0:8,.1f}  "
                + (f"{other:,.1f} ({speed / other:.1f}x)" if other else str(row["trainer"])),
                flush=True,
            )
            write(found)
    shape = {"budget": "2M", "mode": "mixed", "precision": "fp32", "batch": 8, "guess": 200.0}
    defaults = measure("trainer", **shape)
    found["trainer_defaults_2M_mixed"] = defaults
    best = max(r["samples_per_second"] for r in found["rows"] if r["budget"] == "2M" and r["mode"] == "mixed")
    if "samples_per_second" in defaults:
        ratio = best / defaults["samples_per_second"]
        speed = defaults["samples_per_second"]
        print(f"2M mixed, Trainer with its defaults: {speed:,.0f} samples/s ({ratio:.1f}x)")
    found["tracking"] = measure("tracking")
    if "failed" not in found["tracking"]:
        handed, background = (found["tracking"][k] for k in ("handing_over_seconds", "background_seconds"))
        stretch = STRETCH_WINDOWS / best
        print(
            f"tracking a validation in MLflow: {handed * 1e6:.0f} microseconds of the training's time, "
            f"{background * 1e3:.1f} ms in the background; the {STRETCH_WINDOWS:,} windows before it take a "
            f"2M model {stretch:.1f} s: {(handed + background) / stretch:.2%}"
        )
    write(found)
    print(f"Written to {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
