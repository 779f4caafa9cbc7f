"""Material of posts alone, for extractors that read nothing else."""

from collections.abc import Sequence

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.raw import Post, RawMaterial


def material(posts: Sequence[Post] = (), audience: Sequence[Post] = ()) -> RawMaterial:
    return RawMaterial(
        accounts=pd.DataFrame(columns=list(raw.ACCOUNT_COLUMNS)),
        collaborations=pd.DataFrame(columns=list(schema.INTERACTION_TYPES)),
        posts=lambda: iter(posts),
        audience_posts=lambda: iter(audience),
        brand_parts={},
        influencer_category_is_profile=False,
        vectors={},
        fingerprints={},
        synthetic=True,
    )
