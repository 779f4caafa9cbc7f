import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.nn import Fusion, masked_product
from recbole_mirec.nn.settings import FusionRule

VISUAL = torch.tensor([[1.0, -2.0, 3.0]] * 5)
TOPICS = torch.tensor([[5.0, 7.0, -11.0]] * 5)
HAS_VISUAL = torch.tensor([True, True, False, False, True])
HAS_TOPICS = torch.tensor([True, False, True, False, True])


def fusion(rule: FusionRule, modalities: tuple[str, ...] = ("visual", "topics")) -> Fusion:
    module = Fusion(rule, modalities, 3, "uniform_0.1", torch.Generator().manual_seed(0))
    if rule == "low_rank":
        with torch.no_grad():
            for modality, factor in (("visual", 2.0), ("topics", -1.0)):
                if modality in modalities:
                    # a shift of the axes shows a transposed matrix, which a diagonal one hides
                    module.maps[modality].weight.copy_(factor * torch.eye(3).roll(1, dims=1))
                    module.maps[modality].bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
    return module


def test_plain_product_of_what_is_present() -> None:
    vectors, present = fusion("product")(
        {"visual": VISUAL, "topics": TOPICS}, {"visual": HAS_VISUAL, "topics": HAS_TOPICS}
    )
    both = [5.0, -14.0, -33.0]
    expected = torch.tensor([both, [1.0, -2.0, 3.0], [5.0, 7.0, -11.0], [0.0] * 3, both])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]
    assert not list(fusion("product").parameters())


def test_low_rank_maps_each_branch_that_is_present() -> None:
    vectors, present = fusion("low_rank")(
        {"visual": VISUAL, "topics": TOPICS}, {"visual": HAS_VISUAL, "topics": HAS_TOPICS}
    )
    # row i of the stored matrix reads entry i + 1, the last one entry 0
    visual = torch.tensor([2 * -2.0 + 0.5, 2 * 3.0, 2 * 1.0])
    topics = torch.tensor([-7.0 + 0.5, 11.0, -5.0])
    expected = torch.stack([visual * topics, visual, topics, torch.zeros(3), visual * topics])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]


def test_fusion_of_one_modality_treats_it_as_one_with_another_missing() -> None:
    for rule in ("product", "low_rank"):
        alone, _ = fusion(rule, ("topics",))({"topics": TOPICS}, {"topics": HAS_TOPICS})
        nothing = torch.zeros(5, dtype=torch.bool)
        beside, _ = fusion(rule)(
            {"visual": VISUAL, "topics": TOPICS}, {"visual": nothing, "topics": HAS_TOPICS}
        )
        torch.testing.assert_close(alone, beside)
        assert alone[0].abs().sum() > 0


@given(
    masks=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=7),
    seed=st.integers(0, 1000),
)
def test_missing_branches_never_leak(masks: list[tuple[bool, bool]], seed: int) -> None:
    keep = torch.tensor(masks)
    values = torch.randn(2, len(masks), 3, generator=torch.Generator().manual_seed(seed))
    branches = [
        torch.where(keep[:, side, None], values[side], torch.nan).requires_grad_()
        for side in range(2)
    ]
    vectors, present = masked_product(branches, [keep[:, 0], keep[:, 1]])
    for row, (first, second) in enumerate(masks):
        expected = torch.ones(3) if first or second else torch.zeros(3)
        expected = expected * (values[0, row] if first else 1.0)
        expected = expected * (values[1, row] if second else 1.0)
        torch.testing.assert_close(vectors[row], expected)
    assert torch.equal(present, keep.any(dim=1))
    vectors.sum().backward()
    for side, branch in enumerate(branches):
        assert branch.grad is not None
        assert branch.grad.isfinite().all()
        assert (branch.grad[~keep[:, side]] == 0).all()


def test_gradcheck() -> None:
    module = fusion("low_rank").double()
    visual, topics = (v.double().requires_grad_() for v in (VISUAL, TOPICS))
    masks = {"visual": HAS_VISUAL, "topics": HAS_TOPICS}

    def fused(visual: torch.Tensor, topics: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = module({"visual": visual, "topics": topics}, masks)[0]
        return vectors

    assert torch.autograd.gradcheck(fused, (visual, topics))
