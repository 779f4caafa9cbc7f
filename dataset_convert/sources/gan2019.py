"""The raw release of the brand-micro-influencer data set of Gan et al. (ACM MM 2019)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataset_convert import raw
from dataset_convert.problems import Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.reading.files import fingerprint
from dataset_convert.reading.gan2019 import settings as s
from dataset_convert.reading.gan2019.biographies import read_accounts
from dataset_convert.reading.gan2019.choice import Choice, keyed_hash
from dataset_convert.reading.gan2019.files import find_workbooks, image_folder
from dataset_convert.reading.gan2019.images import Images
from dataset_convert.reading.gan2019.posts import PostReader, read_posts
from dataset_convert.reading.gan2019.split import read_parts
from dataset_convert.reading.gan2019.truth import read_truth

DESCRIPTION = (
    "the raw release of Gan et al. (2019): workbooks of biographies, posts and ground truth, image "
    "folders, and the published splits morning and gan2019"
)

PUBLISHED_SPLITS = ("morning", "gan2019")
"""The published ones, of `--split`."""
CONTENT_KINDS = (s.BRAND_POSTS, s.INFLUENCER_POSTS)
AUDIENCE_KINDS = (s.AUDIENCE_POSTS,)


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a release; `docs/convert_gan2019.md` tells the files and the options.

    Every workbook is read once. The posts are kept in a temporary file without a name, from which
    they are streamed.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or one of
            which no row can be used.
    """
    settings = s.read_settings(options)
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="the folder of a release")
    files = find_workbooks(root, settings, problems)
    images = {kind: Images(root, image_folder(root, settings, kind, problems)) for kind in s.IMAGES}
    truth = read_truth(root, files, problems)
    accounts = read_accounts(root, files, truth, problems)
    parts = read_parts(root, files, truth, problems)
    hash_of = keyed_hash(settings.seed)
    posts, audience = (
        read_posts(kinds, PostReader(truth.names, images, choice, hash_of), root, files, problems)
        for kinds, choice in (
            (CONTENT_KINDS, Choice(max_posts=settings.max_posts)),
            (
                AUDIENCE_KINDS,
                Choice(max_posts=settings.max_member_posts, max_members=settings.max_members),
            ),
        )
    )
    return RawMaterial(
        accounts=accounts,
        collaborations=truth.collaborations(),
        posts=posts,
        audience_posts=audience,
        brand_parts=parts,
        influencer_category_is_profile=False,
        vectors={},
        fingerprints=_fingerprints(root, files, settings, images, problems),
        synthetic=settings.synthetic,
        n_posts=len(posts),
        n_audience_posts=len(audience),
    )


def _fingerprints(
    root: Path,
    files: Mapping[str, Sequence[Path]],
    settings: s.Settings,
    images: Mapping[str, Images],
    problems: Problems,
) -> dict[str, str]:
    truth = (s.PAIRS, s.TRAINING_PAIRS, s.TEST_PAIRS)
    parts = {
        # Names and categories come from the pairs.
        raw.ACCOUNTS: (s.BRAND_BIOGRAPHIES, s.INFLUENCER_BIOGRAPHIES, s.PAIRS, s.CATEGORIES),
        raw.COLLABORATIONS: truth,
        raw.POSTS: (*CONTENT_KINDS, s.PAIRS),
        raw.AUDIENCE: (*AUDIENCE_KINDS, s.PAIRS),
        raw.SPLITS: (s.TEST_LIST, *truth),
    }
    found = {}
    for part, kinds in parts.items():
        paths = [path for kind in kinds for path in files.get(kind, ())]
        seen = {kind: images[kind].fingerprint() for kind in kinds if kind in images}
        how = json.dumps([asdict(settings), seen], sort_keys=True)
        found[part] = fingerprint(root, paths, how, problems)
    return found
