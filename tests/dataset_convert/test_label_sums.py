"""Sums of labels: what is known may be settled last, as if it had been known first."""

from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.features.label_sums import LabelSums
from dataset_convert.features.label_weights import LabelWeights

POST = st.tuples(
    st.sampled_from("xy"),
    st.sampled_from("abcd"),
    st.dictionaries(st.sampled_from("pqr"), st.integers(1, 9).map(float), max_size=3),
)


@given(st.lists(POST, max_size=23), st.sets(st.sampled_from("pqr")), st.integers(1, 4))
def test_sums_and_members_of_known_labels(
    posts: list[tuple[str, str, dict[str, float]]], known: set[str], min_members: int
) -> None:
    sums = LabelSums(min_members=min_members)
    for account, member, seen in posts:
        sums.add(account, member, seen)
    wanted = {}
    for name in "xy":
        own = [(member, seen) for account, member, seen in posts if account == name]
        total = {
            label: sum(seen.get(label, 0) for _, seen in own)
            for label in known
            if any(label in seen for _, seen in own)
        }
        members = {member for member, seen in own if known & seen.keys()}
        if total and len(members) >= min_members:
            wanted[name] = total
    assert dict(sums.of(known)) == wanted
    assert dict(sums.of(set())) == {}


def test_a_member_who_posts_often_is_one_member() -> None:
    sums = LabelSums(min_members=2)
    for member in ("x", "x", "x", "y"):
        sums.add("ann", member, {"cup": 0.5})
    assert dict(sums.of({"cup"})) == {"ann": {"cup": 2.0}}
    sums = LabelSums(min_members=2)
    for label in ("cup", "cup", "hat"):
        sums.add("ann", "x", {label: 0.5})
    assert dict(sums.of({"cup", "hat"})) == {}


def test_weights_come_back_as_they_were_given() -> None:
    rows = {"ann": {"hat": 0.25, "cup": 0.75}, "bob": {"cup": 1.0}, "cat": {}}
    weights = LabelWeights(rows.items())
    assert weights == rows
    assert list(weights["ann"]) == ["hat", "cup"]
    assert (list(weights), len(weights), weights.get("dan")) == (["ann", "bob", "cat"], 3, None)
