"""Lists for pages and exports: influencers with facts, hostile names, pseudonyms, chances."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dataset_convert.privacy import Pseudonyms
from recbole_mirec.recommend.page import ListView
from recbole_mirec.recommend.recommender import Recommender

HOSTILE = [
    '<img src="x" onerror="alert(1)">',
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "+1\n-2",
    'quo"te, comma; <!-- {{ 7 * 7 }}',
    "'=1+1",
    "a\x1b[2J\u202eb",
    "__proto__",
]
KEY = Pseudonyms(bytes(32))


def with_facts(recommender: Recommender, names: list[str] | None = None) -> Recommender:
    """The same with facts of all influencers, the first of whom have other names."""
    side = recommender.bundle.sides["influencer"]
    known, rng = side.known.copy(), np.random.default_rng(5)
    known["country"] = rng.choice(["DE", "AT", "<b>CH</b>", None], len(known))
    known["price"] = np.where(
        rng.random(len(known)) < 0.2, np.nan, rng.integers(50, 999, len(known))
    )
    known["engagement"] = rng.random(len(known)) / 10
    known["last_post"] = 1_700_000_000.0 + 86_400 * rng.integers(0, 300, len(known))
    known["account"] = [*(names or []), *known["account"][len(names or []) :]]
    bundle = recommender.bundle.with_side("influencer", replace(side, known=known))
    return Recommender(bundle)


def with_chances(recommender: Recommender) -> Recommender:
    """The same with chances that rise with the score."""
    confidence = {
        "scores": [-5.0, 40.0],
        "chances": [0.0, 0.5],
        "n_brands": 30,
        "reliability": [[0.05, 0.04, 300], [0.2, 0.26, 300]],
    }
    about = {**recommender.bundle.about, "confidence": confidence}
    return Recommender(replace(recommender.bundle, about=about))


def hidden(recommender: Recommender, key_file: Any = None) -> Recommender:
    """The same under pseudonyms."""
    sides, bundle = {}, recommender.bundle
    for side, of in bundle.sides.items():
        ids = [KEY.of(side, name) for name in of.known["account"]]
        sides[side] = replace(of, known=of.known.assign(account=ids))
    partners = bundle.partners.assign(
        **{side: [KEY.of(side, name) for name in bundle.partners[side]] for side in sides}
    )
    about = {**bundle.about, "pseudonyms": KEY.settings()}
    made = replace(bundle, sides=sides, partners=partners, about=about)
    return Recommender(made, key_file=key_file)


def view_of(
    recommender: Recommender, k: int = 10, brand: str | None = None, **how: Any
) -> ListView:
    """How a page shows a list; `asked` is what it is asked for."""
    asked = how.pop("asked", {})
    found = recommender.recommend(brand or recommender.brands[0], k, **asked)
    return ListView(recommender, found, asked=asked, **how)


def trained_scores(run: Path, recommender: Recommender) -> tuple[Any, Any]:
    """Scores (brand, influencer) of all accounts: by a model in use, and by its run."""
    from recbole_mirec.experiment import open_run
    from recbole_mirec.runs import read_run
    from recbole_mirec.trainer import score_matrix

    made = open_run(read_run(run).record["settings"], run)
    brands, influencers = (np.arange(1, n) for n in (made.dataset.user_num, made.dataset.item_num))
    scores = score_matrix(made.model, made.dataset, brands, influencers, pairs_at_once=10**6)
    found = [recommender.shares(recommender.account(x)).sum(axis=1) for x in recommender.brands]
    return np.stack(found), scores
