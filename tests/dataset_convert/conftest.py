"""A small hand-made data set, as files that a test may spoil."""

import json
from pathlib import Path

import pytest

FILES = {
    "toy.user": """
brand_id:token|brand_category:token|brand_followers:float|brand_content_topics:float_seq|brand_content_visual_labels:token_seq|brand_content_visual_weights:float_seq|brand_attributes:token_seq
b1|food|100|0.5 0.25 0.25|cup plate|0.75 0.25|baker cook
b2|food||1 0 0|||
b3|shoes|300||shoe|1|runner
""",
    "toy.item": """
influencer_id:token|influencer_followers:float|influencer_content_topics:float_seq|influencer_content_visual_labels:token_seq|influencer_content_visual_weights:float_seq|influencer_attributes:token_seq
m1|5000|0.1 0.2 0.7|cup|1|cook
m2|6000|0.2 0.2 0.6|||runner
m3|7000|0.3 0.3 0.4|shoe|1|
m4||0.4 0.3 0.3|shoe cup|0.5 0.5|runner cook
""",
    "toy.inter": """
brand_id:token|influencer_id:token|competence:float
b1|m1|0.01
b1|m2|0.02
b2|m2|0.03
b2|m3|0.04
b3|m4|0.05
""",
    "toy.influencer_category": """
influencer_id:token|category:token
m1|food
m2|food
m3|food
m4|shoes
""",
    "toy.new-brand.train.inter": """
brand_id:token|influencer_id:token|competence:float
b1|m1|0.01
b1|m2|0.02
""",
    "toy.new-brand.valid.inter": """
brand_id:token|influencer_id:token|competence:float
b2|m2|0.03
b2|m3|0.04
""",
    "toy.known-brand.train.inter": """
brand_id:token|influencer_id:token|competence:float
b1|m1|0.01
b2|m2|0.03
""",
    "toy.known-brand.valid.inter": """
brand_id:token|influencer_id:token|competence:float
b1|m2|0.02
b2|m3|0.04
""",
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """The folder of a data set of 3 brands, 4 influencers and 5 pairs without any fault."""
    folder = tmp_path / "toy"
    folder.mkdir()
    for file, text in FILES.items():
        rows = [line.strip() for line in text.strip().split("\n")]
        (folder / file).write_text("\n".join(rows).replace("|", "\t") + "\n")
    manifest = {"synthetic": False, "source": "hand", "rows": {"influencer_category": 4}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
