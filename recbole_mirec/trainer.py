"""RecBole's trainers with our evaluation, safe checkpoints and exact resumption."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from recbole.trainer import Trainer
from tqdm import tqdm

from dataset_convert.common.errors import DivergedError, UsageError
from dataset_convert.common.files import naming
from recbole_mirec import checkpoint
from recbole_mirec import compat as compat
from recbole_mirec.data.dataset import EvaluationSplit
from recbole_mirec.data.sampling import EvaluationLoader
from recbole_mirec.results import PAPER, Evaluation, Figures, evaluate_scores
from recbole_mirec.runs import new_run_folder

BEST, LAST = "best.safetensors", "last.safetensors"
BRANDS_AT_ONCE = 64
# Seconds between two lines of an epoch on the screen.
SECONDS = 10.0
DIVERGED = "Training diverged: lower learning_rate, and look at the data's magnitudes."
# What a checkpoint must share with the experiment that reads it, and what it is said to be if not.
SHARED = {
    "data_fingerprint": "was trained on another data set (or the files changed)",
    "model": "holds another model",
    "input_fingerprint": "was trained on other account features: the variant, the node embeddings, "
    "the attribute graph or their cache changed",
}


@torch.no_grad()
def score_matrix(
    model: Any,
    dataset: Any,
    brands: NDArray[np.int64],
    candidates: NDArray[np.int64],
    *,
    pairs_at_once: int,
    show_progress: bool = False,
) -> NDArray[np.float64]:
    """Scores, float64 (brand, candidate), of internal ids by a model in evaluation mode.

    The data set joins features to ids. Models without full ranking score at most `pairs_at_once`
    pairs together. A progress bar is drawn only where standard error is a terminal.
    """
    blocks = np.split(brands, range(BRANDS_AT_ONCE, len(brands), BRANDS_AT_ONCE))
    rows = []
    silent = None if show_progress else True
    for block in tqdm(blocks, desc="Evaluate", unit="block", disable=silent, leave=False):
        scores = full_ranking(model, dataset, block)
        if scores is None:
            scores = pair_by_pair(model, dataset, block, candidates, pairs_at_once)
        else:
            scores = scores[:, torch.from_numpy(candidates).to(scores.device)]
        rows.append(scores.double().cpu().numpy())
    return np.concatenate(rows)


def full_ranking(model: Any, dataset: Any, brands: NDArray[np.int64]) -> torch.Tensor | None:
    """Scores (brand, influencer id) by `full_sort_predict`; None where a model has none."""
    interaction = Interaction({dataset.uid_field: torch.from_numpy(brands)})
    try:
        scores = model.full_sort_predict(interaction.to(model.device))
    except NotImplementedError:
        return None
    full: torch.Tensor = scores.view(len(brands), dataset.item_num)
    return full


def pair_by_pair(
    model: Any,
    dataset: Any,
    brands: NDArray[np.int64],
    candidates: NDArray[np.int64],
    pairs_at_once: int,
) -> torch.Tensor:
    """Scores (brand, candidate) by `predict`, over features joined to the ids."""
    users = torch.split(torch.from_numpy(np.repeat(brands, len(candidates))), pairs_at_once)
    items = torch.split(torch.from_numpy(np.tile(candidates, len(brands))), pairs_at_once)
    scores = []
    for some_users, some_items in zip(users, items, strict=True):
        pairs = Interaction({dataset.uid_field: some_users, dataset.iid_field: some_items})
        scores.append(model.predict(dataset.join(pairs).to(model.device)).reshape(-1))
    return torch.cat(scores).reshape(len(brands), len(candidates))


class MirecTrainer(Trainer):  # type: ignore[misc]
    """What every model gets on top of RecBole's trainer for it; see `trainer_class`.

    `best.safetensors` in the run's folder holds the best epoch's parameters, `last.safetensors`
    everything that training needs to go on as if it had not stopped. `finished` tells that there
    is nothing left to train, `history` the epochs that were evaluated.
    """

    dataset: Any = None
    _after_saving: Callable[[int], None] | None = None

    def attach(self, dataset: Any, train_data: Any, run_folder: Path) -> None:
        """Hand over what RecBole's constructor has no place for.

        Where nobody does, `fit` and `evaluate` take it from the loaders that they get. The data set
        is built; the generators of the training loader are part of the state.
        """
        self.dataset = dataset
        self.train_data = train_data
        self.run_folder = run_folder
        self.saved_model_file = str(run_folder / BEST)
        self.fingerprint = dataset.fingerprint()
        self._shared = {
            "data_fingerprint": self.fingerprint,
            "model": self.config["model"],
            "input_fingerprint": getattr(self.model, "input_fingerprint", lambda: None)(),
        }
        self.best_epoch = -1
        self.finished = False
        self.history: list[dict[str, float]] = []
        self._told = -SECONDS

    def evaluate_split(self, split: EvaluationSplit, *, show_progress: bool = False) -> Evaluation:
        """Rank the split's candidates by the model as it is now and compute every metric."""
        self.model.eval()
        scores = score_matrix(
            self.model,
            self.dataset,
            split.brands,
            split.candidates,
            pairs_at_once=self.config["eval_batch_size"],
            show_progress=show_progress,
        )
        if np.isnan(scores).any():
            name = self.config["model"]
            raise DivergedError(f"Model {name} gives scores that are NaN. {DIVERGED}")
        return evaluate_scores(
            scores,
            split,
            metrics=self.config["shown_metrics"],
            unseen_only=self.config["eval_unseen_only"],
        )

    def evaluate(
        self,
        eval_data: EvaluationLoader | None,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> Figures | None:
        """RecBole's signature over `evaluate_split`; returns the summary."""
        if eval_data is None:
            return None
        if self.dataset is None:
            self.attach(eval_data.dataset, None, Path(self.checkpoint_dir))
        if load_best_model:
            self.load_best(None if model_file is None else Path(model_file))
        return Figures(self.evaluate_split(eval_data.split, show_progress=show_progress).summary)

    def n_epochs(self) -> int:
        """Epochs trained so far, those before an interruption included."""
        evaluated = [int(entry["epoch"]) for entry in self.history]
        return int(max([self.best_epoch, *self.train_loss_dict, *evaluated])) + 1

    def load_best(self, path: Path | None = None) -> int:
        """Load the best epoch's parameters, or a given checkpoint's; returns the epoch, from 0.

        Raises:
            UsageError: the checkpoint cannot be read, or does not fit, as `SHARED` says.
        """
        path = path or self.run_folder / BEST
        self.best_epoch = self.restore(checkpoint.load_state(path), path)
        return self.best_epoch

    def restore(self, state: Mapping[str, Any], path: Path) -> int:
        """Load the model from what a checkpoint holds; returns the epoch; errors: `load_best`'s."""
        for key, own in self._shared.items():
            found = state.get(key)
            if found != own:
                raise UsageError(
                    f"Checkpoint '{path}' {SHARED[key]}: {str(found)[:12]}, now {str(own)[:12]}. "
                    f"Put back what changed, use another run, or train again."
                )
        try:
            self.model.load_state_dict(state["state_dict"])
            other = checkpoint.on_device(state["other_parameter"], self.device)
            self.model.load_other_parameter(other)
        except (KeyError, RuntimeError) as error:
            raise UsageError(
                f"Checkpoint '{path}' does not fit model {self.config['model']} as it is "
                f"configured (another variant or other sizes): {' '.join(str(error).split())} Use "
                f"the run's own settings, or train again."
            ) from None
        return int(state["epoch"])

    def resume(self) -> None:
        """Go on from the run's folder, or begin where it holds no checkpoint yet."""
        if (self.run_folder / LAST).is_file():
            self.resume_checkpoint(self.run_folder / LAST)

    def resume_checkpoint(self, resume_file: str | Path) -> None:
        """Go on from `last.safetensors`, generators and early stopping included; see `restore`."""
        state = checkpoint.load_state(Path(resume_file))
        self.start_epoch = self.restore(state, Path(resume_file)) + 1
        for optimizer, saved in zip(self._optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.cur_step = int(state["cur_step"])
        self.best_valid_score = float(state["best_valid_score"])
        # RecBole would take the last epoch for the best one where no epoch is left to train
        self.finished = bool(state["finished"]) or self.start_epoch >= self.epochs
        self.history = list(state["history"])
        checkpoint.restore_random_state(state["random"])
        self.train_data.generator.set_state(state["loader"])
        if state["sampler"] is not None:
            self.train_data._sampler.load_state(state["sampler"])
        self.logger.info(f"Resumed from {resume_file} at epoch {self.start_epoch}.")

    def fit(
        self,
        train_data: Any,
        valid_data: EvaluationLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> Any:
        """RecBole's training loop and arguments, with the state of every evaluated epoch on disk.

        Without `valid_data` nothing ends it early, and the last epoch is kept. Checkpoints that are
        not `saved` go with the trainer. A progress bar is drawn only where standard error is a
        terminal.
        """
        if self.dataset is None:
            self._passing = None if saved else TemporaryDirectory(prefix="recbole_mirec-")
            place = self.checkpoint_dir if self._passing is None else self._passing.name
            names = (self.config[key] for key in ("model", "dataset", "protocol"))
            self.attach(train_data.dataset, train_data, new_run_folder(Path(place), *names))
            saved = True
        if self.finished:
            return self.best_valid_score, self.best_valid_result

        def after_epoch(epoch: int, valid_score: float | None = None) -> None:
            loss = self.train_loss_dict[epoch]
            validated = {} if valid_score is None else {"valid": valid_score}
            self.history.append({"epoch": epoch, "train_loss": loss} | validated)
            self.finished = self.cur_step > self.stopping_step or epoch + 1 >= self.epochs
            self._save_last(epoch)
            if verbose and time.monotonic() - self._told >= SECONDS:
                self._told = time.monotonic()
                of, said = f"of {self.epochs}", f"training loss {loss:.4f}"
                if valid_score is not None:
                    of = f"of at most {self.epochs}"
                    said += f", validation {self.config['valid_metric']} {valid_score:.4f}"
                self.logger.info(f"epoch {epoch + 1} {of}: {said}")
            if callback_fn is not None and valid_score is not None:
                callback_fn(epoch, valid_score)

        # RecBole calls back after a validation only; without one it saves every epoch as the best.
        self._after_saving = after_epoch if valid_data is None else None
        show_progress = show_progress and sys.stderr.isatty()
        # The thread that writes the curves hands its errors on without a name.
        with naming(Path(self.tensorboard.log_dir)):
            return super().fit(train_data, valid_data, verbose, saved, show_progress, after_epoch)

    def save_pretrained_model(self, epoch: int, saved_model_file: str) -> None:
        """Stages of RaCT hand over plain tensors, which its own loading can read safely."""
        state = {"state_dict": self.model.state_dict(), "epoch": epoch}
        checkpoint.save_state(Path(saved_model_file), state)
        checkpoint.save_state(self.run_folder / BEST, self._model_state(epoch))

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> Any:
        score, found = super()._valid_epoch(valid_data, show_progress)
        # The log gets the standard metrics, short enough to read; all stand in the run's folder.
        shown = {name: round(value, 4) for name, value in found.items()}
        return score, {name: value for name, value in shown.items() if not name.startswith(PAPER)}

    def _check_nan(self, loss: torch.Tensor) -> None:
        if torch.isnan(loss):
            raise DivergedError(f"The training loss of {self.config['model']} is NaN. {DIVERGED}")

    def _train_epoch(self, train_data: Any, epoch_idx: int, *rest: Any, **named: Any) -> Any:
        factor, steps = self.config["learning_rate_decay"], self.config["learning_rate_decay_steps"]
        if factor != 1.0:
            times = epoch_idx if not steps else epoch_idx * len(train_data) // steps
            for optimizer in self._optimizers():
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate * factor**times
        return super()._train_epoch(train_data, epoch_idx, *rest, **named)

    def _generate_train_loss_output(
        self, epoch_idx: int, s_time: float, e_time: float, losses: Any
    ) -> Any:
        names = getattr(self.model, "loss_names", None)
        if names is None:
            return super()._generate_train_loss_output(epoch_idx, s_time, e_time, losses)
        means = (value / len(self.train_data) for value in losses)
        terms = ", ".join(f"{name}: {mean:.4f}" for name, mean in zip(names, means, strict=True))
        seconds = e_time - s_time
        return f"epoch {epoch_idx} training [time: {seconds:.2f}s, mean loss of a batch: {terms}]"

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimizers in use: RecVAE's trainer takes turns with two and leaves the first."""
        if hasattr(self, "optimizer_encoder"):
            return [self.optimizer_encoder, self.optimizer_decoder]
        return [self.optimizer]

    def _model_state(self, epoch: int) -> dict[str, Any]:
        return self._shared | {
            "settings": self.config.settings,
            "epoch": epoch,
            "state_dict": self.model.state_dict(),
            "other_parameter": self.model.other_parameter(),
        }

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **_named: Any) -> None:
        checkpoint.save_state(self.run_folder / BEST, self._model_state(epoch))
        if self._after_saving is not None and epoch in self.train_loss_dict:
            self._after_saving(epoch)

    def _save_last(self, epoch: int) -> None:
        sampler = self.train_data._sampler
        state = self._model_state(epoch) | {
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers()],
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "finished": self.finished,
            "history": self.history,
            "random": checkpoint.random_state(),
            "loader": self.train_data.generator.get_state(),
            "sampler": None if sampler is None else sampler.state(),
        }
        checkpoint.save_state(self.run_folder / LAST, state)


def trainer_class(upstream: type[Trainer]) -> type[MirecTrainer]:
    """`MirecTrainer` on top of one of RecBole's trainers; some models bring their own."""
    bases = (MirecTrainer,) if upstream is Trainer else (MirecTrainer, upstream)
    return type(f"Mirec{upstream.__name__}", bases, {})
