"""One conversion: a source's raw material in, features fitted and applied, a data set out."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from dataset_convert import assembly, privacy, raw, schema
from dataset_convert.atomic import AtomicData, check_target, write_atomic
from dataset_convert.common.files import write_whole
from dataset_convert.extraction import Features, extract, fingerprints, wanted_extractors
from dataset_convert.features.base import Extractor
from dataset_convert.findings import Finding, name_warnings
from dataset_convert.name_checks import AccountNames, assert_no_names
from dataset_convert.problems import Concealment, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.report import REPORT_FILE, WARNINGS, data_report
from dataset_convert.reuse import Earlier, conversion_fingerprint
from dataset_convert.settings import ConversionSettings

Tell = Callable[[str], None]

PROBLEMS_FILE: Final = "problems.csv"


def convert(
    material: RawMaterial,
    name: str,
    settings: ConversionSettings,
    *,
    folder: Path,
    problems: Problems,
    tell: Tell = print,
    force: bool = False,
    about: Mapping[str, Any] | None = None,
) -> AtomicData:
    """Turns raw material into a data set on disk, all or nothing.

    Beside the atomic files stand `features/<modality>/` (the fitted extractors), `report.html` and,
    where rows were left out, `problems.csv`. Under pseudonyms no name of an account is in them.
    Where a data set stands already, only what has changed is made anew.

    Args:
        material: What a source read.
        name: The data set's name.
        settings: What to do.
        folder: The data set's own folder.
        problems: Of the source.
        tell: Called with a line a step.
        force: Whether to make everything anew.
        about: What else the manifest says.

    Returns:
        The data as it was read back.

    Raises:
        ConversionError: The material cannot make a data set, or a name would be in it.
        AtomicFileError: The data set is not as the contract wants it.
    """
    check_target(folder, name)
    plan = make_plan(material, settings, problems=problems, tell=tell)
    hidden = None
    if settings.pseudonyms:
        hidden = privacy.Pseudonyms.from_file(settings.key_file, outside=folder, tell=tell)
    marks = fingerprints(plan.material, plan.training, settings, plan.extractors)
    mark = conversion_fingerprint(material, settings, marks, hidden)
    earlier = None if force else Earlier.find(folder, name, hidden)
    if earlier is not None and earlier.data.manifest.get(schema.CONVERSION) == mark:
        tell("Nothing has changed since it was written; --force makes everything anew.")
        return earlier.data
    features = extract(
        plan.material,
        plan.training,
        settings,
        plan.extractors,
        marks=marks,
        earlier=earlier,
        tell=tell,
    )
    started = time.monotonic()
    data = _assemble(plan, name, features, tell)
    conceal = Concealment(AccountNames(material.accounts) if settings.pseudonyms else None)
    manifest = {
        **_manifest(material, settings, features),
        **(about or {}),
        **problems.told(conceal),
    }
    data = replace(data, manifest={**manifest, schema.CONVERSION: mark})
    data = data if hidden is None else privacy.apply(data, hidden)
    written = write_atomic(
        data,
        folder,
        extra=partial(_add_extras, data, features, problems, conceal),
        check=partial(_refuse_names, material, features) if settings.pseudonyms else None,
    )
    tell(f"written and read back, {time.monotonic() - started:.1f} s")
    return written


@dataclass(frozen=True, eq=False)
class Plan:
    """What a conversion will do, before anything is fitted or written.

    Attributes:
        material: Without e-mail addresses and telephone numbers in its biographies.
        tables: Side -> ids, followers and categories.
        interactions: The pairs.
        splits: Of both protocols.
        training: The accounts that extractors learn from.
        extractors: Modality -> an extractor that is not fitted yet.
        influencer_category: For the side file.
        facts: Side -> what stands in the other side files.
    """

    material: RawMaterial
    tables: dict[schema.Side, pd.DataFrame]
    interactions: pd.DataFrame
    splits: assembly.Splits
    training: Collection[str]
    extractors: Mapping[str, Extractor]
    influencer_category: "pd.Series[str] | None"
    facts: dict[schema.Side, pd.DataFrame]

    def lines(self) -> list[str]:
        """Returns what it will do, for people."""
        material = self.material
        counts = ", ".join(f"{len(table):,} {side}s" for side, table in self.tables.items())
        lines = [f"{counts}, {len(self.interactions):,} collaborations"]
        for what, number in (
            ("posts", material.n_posts),
            ("posts of audiences", material.n_audience_posts),
        ):
            lines += [] if number is None else [f"{number:,} {what}"]
        lines += split_lines(self.splits)
        makes = ", ".join([*material.vectors, *self.extractors]) or "none"
        return [*lines, f"Features: {makes}"]


def make_plan(
    material: RawMaterial, settings: ConversionSettings, *, problems: Problems, tell: Tell
) -> Plan:
    """Checks that raw material makes a data set, as far as that can be told without fitting.

    Raises:
        ConversionError: It does not, or an option of an extractor is wrong.
    """
    material = _without_contacts(material)
    tables = assembly.account_tables(material, settings, tell)
    interactions = assembly.interactions_of(material, settings, tell)
    splits = assembly.make_splits(material, tables[schema.BRAND], interactions, settings, tell)
    everybody = set(material.accounts[raw.ACCOUNT])
    return Plan(
        material=material,
        tables=tables,
        interactions=interactions,
        splits=splits,
        training=everybody if settings.fit_on_all else assembly.training_accounts(splits),
        extractors=wanted_extractors(material, settings, problems, tell),
        influencer_category=assembly.influencer_category(material, tables[schema.BRAND], tell),
        facts=assembly.facts_of(material, settings),
    )


def split_lines(splits: Mapping[str, Mapping[str, pd.DataFrame]]) -> list[str]:
    """Returns a line a protocol with the sizes of its parts."""
    return [
        f"{protocol}: "
        + ", ".join(
            f"{part} {len(pairs):,} pairs of {n_brands} {'brand' if n_brands == 1 else 'brands'}"
            for part, pairs in parts.items()
            for n_brands in [pairs[schema.BRAND_ID].nunique()]
        )
        for protocol, parts in splits.items()
    ]


def _without_contacts(material: RawMaterial) -> RawMaterial:
    """E-mail addresses and telephone numbers leave the biographies before anything reads them."""
    accounts = material.accounts.copy()
    accounts[raw.BIOGRAPHY] = accounts[raw.BIOGRAPHY].map(
        lambda text: privacy.scrub(text) if isinstance(text, str) else text
    )
    return replace(material, accounts=accounts)


def _assemble(plan: Plan, name: str, features: Features, tell: Tell) -> AtomicData:
    tables = {side: table.copy() for side, table in plan.tables.items()}
    for modality, values in list(features.values.items()):
        if not assembly.add_modality(tables, modality, values, tell):
            features.drop(modality)
    # They stand in the tables now, in far less space than labels and weights take in mappings.
    features.values.clear()
    return AtomicData(
        name=name,
        brands=tables[schema.BRAND],
        influencers=tables[schema.INFLUENCER],
        interactions=plan.interactions,
        influencer_category=plan.influencer_category,
        splits=plan.splits,
        manifest={},
        facts=plan.facts,
    )


def _manifest(
    material: RawMaterial, settings: ConversionSettings, features: Features
) -> dict[str, Any]:
    return {
        "synthetic": material.synthetic,
        "seed": settings.seed,
        "fit_on": "all" if settings.fit_on_all else "training",
        "input_fingerprints": dict(material.fingerprints),
        "posts": {"own": material.n_posts, "audience": material.n_audience_posts},
        "dimensions": {
            modality: extractor.dimensions() for modality, extractor in features.extractors.items()
        },
        schema.FEATURES: features.entries,
        WARNINGS: [asdict(finding) for finding in _warnings(material)],
    }


def _warnings(material: RawMaterial) -> list[Finding]:
    """What only the accounts' own names can tell."""
    accounts = material.accounts
    return [
        finding
        for side in schema.SIDES
        for finding in name_warnings(accounts[raw.ACCOUNT][accounts[raw.ROLE] == side], side)
    ]


def _add_extras(
    data: AtomicData, features: Features, problems: Problems, conceal: Concealment, building: Path
) -> None:
    for modality, extractor in features.extractors.items():
        place = building / schema.FEATURES / modality
        place.mkdir(parents=True)
        extractor.save(place)
    if len(problems):
        problems.write(building / PROBLEMS_FILE, conceal=conceal)
    write_whole(building / REPORT_FILE, data_report(data))


def _refuse_names(material: RawMaterial, features: Features, building: Path) -> None:
    words = {word for one in features.extractors.values() for word in one.own_words()}
    categories = set(material.accounts[raw.CATEGORY].dropna())
    for facts in material.facts.values():
        tokens = [x for x, kind in schema.FACT_TYPES.items() if kind == "token" and x in facts]
        categories |= {word for name in tokens for word in facts[name].dropna()}
    names = {*material.accounts[raw.ACCOUNT], *material.accounts[raw.NAME].dropna()}
    assert_no_names(building, names, allowed=words | categories)
