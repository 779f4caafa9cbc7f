"""What keeps people out of a data set: the one place from which the conversion takes it."""

from dataset_convert.forgetting import forget
from dataset_convert.name_checks import assert_no_names
from dataset_convert.pseudonyms import Pseudonyms, apply
from dataset_convert.scrubbing import scrub

__all__ = ["Pseudonyms", "apply", "assert_no_names", "forget", "scrub"]
