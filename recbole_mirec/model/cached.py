"""What models share that compute something of all accounts once, until they train again."""

from typing import Any

from torch import Tensor

from dataset_convert import schema


class ForgetsInTraining:
    """Forgets `_kept`, tensors by side, where parameters change: in training and in loading.

    To be named before the module class that it is mixed into.
    """

    _kept: dict[schema.Side, Tensor] | None = None

    def train(self, mode: bool = True) -> Any:
        """As torch's; training forgets what was computed, since parameters will change."""
        if mode:
            self._kept = None
        return super().train(mode)  # type: ignore[misc]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; what was computed is forgotten."""
        self._kept = None
        return super().load_state_dict(*args, **kwargs)  # type: ignore[misc]
