"""Golden figures: what each model found on frozen atomic files, and how they are made.

The files under `tests/golden/` were written at commit 369e12d (NumPy 1.26, pandas 2.3, torch 2.13,
one thread); those of `MIRec-mirec`, and of the benchmark and the study, which hold it, anew with
pairs of modalities and precedents. The data, mirec-tiny, are synthetic.

    python tests/golden/golden_figures.py WORK             compare, as the tests do
    python tests/golden/golden_figures.py WORK --write     replace the golden figures
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
TINY = "mirec-tiny"
PROTOCOLS = ("new-brand", "known-brand")
TOLERANCE = 1e-6
# Trainings in single precision whose near ties follow the processor's rounding: from one processor
# to another, and from one set of kernels to another, 0 to 3 ranks a file changed places with a
# neighbour, and no other moved.
ROUNDED = ("MIRec-reference", "MIRec-paper")
ROUNDED_TOLERANCE, PLACES = 0.02, 1
COUNTED = ("rank", "won", "medr")

# Name of a run -> its settings beside those that all share. Widths of the published towers are for
# thousands of influencers.
NARROW = ["--visual_hidden=[32]", "--dimension=32", "--attribute_hidden=[32]", "--epochs=6"]
MODELS: dict[str, list[str]] = {
    "MIRec-mirec": ["--model=MIRec"],
    "MIRec-reference": ["--model=MIRec", "--variant=reference", *NARROW],
    "MIRec-paper": ["--model=MIRec", "--variant=paper", *NARROW],
    "Cosine": ["--model=Cosine"],
    "ContentTwoTower": ["--model=ContentTwoTower", "--epochs=8"],
    "BPR": ["--model=BPR", "--epochs=15", "--train_batch_size=256"],
    "LightGCN": ["--model=LightGCN", "--epochs=15", "--train_batch_size=256"],
}
PLAN = """\
name: golden
dataset: mirec-tiny
protocols: [new-brand, known-brand]
seeds: [1, 2]
main: MIRec
models:
  MIRec: {model: MIRec, epochs: 10}
  Cosine: {model: Cosine}
  BPR: {model: BPR, epochs: 5, train_batch_size: 256}
settings: {gpu_id: ''}
"""
SPACE = "learning_rate choice [0.002,0.02]\ninput_dimension choice [16,64]\n"
# Columns of results.csv and trials.csv that say when or how long, not what.
TIMES = ("seconds", "finished_at")


def run_models(work: Path) -> dict[str, Path]:
    """Train every model under both protocols in `work`; returns the folders by name."""
    from recbole_mirec.cli import main

    folders = {}
    with contextlib.chdir(work):
        for protocol in PROTOCOLS:
            for name, arguments in MODELS.items():
                saved = Path("golden", protocol, name)
                shutil.rmtree(saved, ignore_errors=True)
                common = [f"--dataset={TINY}", "--data_path=.", f"--protocol={protocol}"]
                common += [f"--checkpoint_dir={saved}", "--torch_threads=1", "--gpu_id="]
                common += ["--show_progress=False", "--state=WARNING", "--seed=2020"]
                assert main([*arguments, *common]) == 0
                (folder,) = (path.parent for path in saved.glob("*/run.json"))
                folders[f"{protocol}/{name}"] = work / folder
    return folders


def run_benchmark(work: Path) -> Path:
    """Run a small benchmark on mirec-tiny in `work`; returns its folder."""
    from recbole_mirec.cli import benchmark_main as main

    plan, folder = work / "plan.yaml", work / "benchmark"
    plan.write_text(PLAN, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.chdir(work):
        assert main([str(plan), "--data_path=.", "--jobs=1", f"--results={folder}"]) == 0
    return folder


def run_study(work: Path) -> Path:
    """Tune MIRec on mirec-tiny in `work`; returns the study's folder."""
    from recbole_mirec.cli import tuning_main as main

    space, folder = work / "space.hyper", work / "study"
    space.write_text(SPACE, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["--model=MIRec", f"--dataset={TINY}", "--data_path=.", f"--params_file={space}"]
    arguments += ["--algo=exhaustive", "--epochs=6", "--gpu_id=", f"--results={folder}"]
    with contextlib.chdir(work):
        assert main([*arguments, "--jobs=1"]) == 0
    return folder


def kept_files(folders: dict[str, Path]) -> dict[str, str]:
    """The text of every file of figures of some runs, by its name among the golden files."""
    texts = {}
    for name, folder in folders.items():
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        chosen = {key: record[key] for key in ("best_epoch", "n_epochs", "valid", "test")}
        texts[f"{name}/run.json"] = json.dumps(chosen, indent=1) + "\n"
        for path in sorted(folder.glob("*.csv")):
            texts[f"{name}/{path.name}"] = path.read_text(encoding="utf-8")
    return texts


def without_times(path: Path) -> str:
    """A CSV file's text without the columns that differ between any two runs."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return frame.drop(columns=[name for name in TIMES if name in frame]).to_csv(index=False)


def tiny_files(work: Path) -> dict[str, str]:
    """Every golden file of mirec-tiny, made anew in `work`, which gets a copy of the data."""
    work.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / TINY, work / TINY, dirs_exist_ok=True)
    texts = kept_files(run_models(work))
    texts["benchmark/results.csv"] = without_times(run_benchmark(work) / "results.csv")
    texts["study/trials.csv"] = without_times(run_study(work) / "trials.csv")
    return texts


def differences(golden: str, found: str, name: str) -> list[str]:
    """Where two texts differ by more than the tolerance, in words; CSV cell by cell, else JSON.

    Of runs that are `ROUNDED`, by more than one place of a rank or 0.02 of another figure.
    """
    rounded = any(run in name for run in ROUNDED)
    if name.endswith(".json"):
        first, second = (dict(_leaves(json.loads(text))) for text in (golden, found))
        if first.keys() != second.keys():
            return [f"{name}: keys {sorted(first.keys() ^ second.keys())}"]
        return [
            f"{name}: {key}: {first[key]} became {second[key]}"
            for key in first
            if not _same(first[key], second[key], _tolerance(key, rounded))
        ]
    frames = [
        pd.read_csv(_text(text), dtype=str, keep_default_na=False) for text in (golden, found)
    ]
    if list(frames[0]) != list(frames[1]) or len(frames[0]) != len(frames[1]):
        return [f"{name}: {frames[0].shape} {list(frames[0])}, now {frames[1].shape}"]
    if rounded and "influencer_id" in frames[0]:
        frames = [x.sort_values(["brand_id", "influencer_id"], ignore_index=True) for x in frames]
    found_differences = []
    for column in frames[0]:
        for row, (before, now) in enumerate(zip(frames[0][column], frames[1][column], strict=True)):
            if not _same(before, now, _tolerance(column, rounded)):
                found_differences.append(f"{name}: {column}, row {row + 1}: {before} became {now}")
    return found_differences


def _text(text: str) -> Any:
    from io import StringIO

    return StringIO(text)


def _leaves(value: Any, key: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _leaves(entry, f"{key}.{name}")
    else:
        yield key, value


def _tolerance(figure: str, rounded: bool) -> float:
    if not rounded or figure.endswith("epoch"):
        return TOLERANCE
    return PLACES if figure.casefold().endswith(COUNTED) else ROUNDED_TOLERANCE


def _same(first: Any, second: Any, tolerance: float) -> bool:
    if first == second:
        return True
    try:
        return bool(np.isclose(float(first), float(second), rtol=0, atol=tolerance, equal_nan=True))
    except (TypeError, ValueError):
        return False


def golden_files() -> dict[str, str]:
    """The golden files of mirec-tiny as they stand in the checkout."""
    folder = HERE / "figures"
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.*"))
    }


def main() -> int:
    """Make the figures; compare them with the golden ones, or replace those."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    work = options.work.resolve()
    found = tiny_files(work)
    folder = HERE / "figures"
    if options.write:
        for name, text in found.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return 0
    golden = golden_files()
    lines = [f"{name}: only one side has it" for name in golden.keys() ^ found.keys()]
    for name in golden.keys() & found.keys():
        lines += differences(golden[name], found[name], name)
    print("\n".join(lines[:2000]) or f"{len(golden)} golden files: the same within {TOLERANCE:g}")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
