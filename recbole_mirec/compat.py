"""Every repair that RecBole 1.2.1 needs on the supported stack, applied on import."""

import inspect
import random
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from logging import FileHandler, Logger, LogRecord, getLogger
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data.dataset import Dataset, KnowledgeBasedDataset, SequentialDataset
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector
from recbole.model.context_aware_recommender import fwfm, kd_dagfm
from recbole.model.general_recommender import (
    admmslim,
    dgcf,
    diffrec,
    enmf,
    ldiffrec,
    macridvae,
    multivae,
    nceplrec,
    nncf,
    pop,
    ract,
)
from recbole.trainer import hyper_tuning, trainer
from recbole.utils import get_tensorboard
from scipy import sparse
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.files import naming
from recbole_mirec import checkpoint

_TABLE = "_recbole_mirec_diverted"


def rewrite(function: Any, *changes: tuple[str, str]) -> None:
    """Compile a function anew from its installed source with some words replaced, in place.

    Args:
        function: a Python function, or a class's method, that closes over nothing.
        changes: words that stand in its source, and what shall stand there instead.

    Raises:
        LookupError: the source does not hold the words: another release than the one repaired.
    """
    lines, first = inspect.getsourcelines(function)
    source = "".join(lines)
    for old, new in changes:
        if old not in source:
            raise LookupError(f"{function.__qualname__} does not hold {old!r}.")
        source = source.replace(old, new)
    # Behind as many lines as before, so that tracebacks show the right ones.
    text = "\n" * (first - 1) + textwrap.dedent(source)
    made: dict[str, Any] = {}
    exec(compile(text, inspect.getfile(function), "exec"), function.__globals__, made)
    function.__code__ = made[function.__name__].__code__
    function.rewritten = True


def is_rewritten(function: Any) -> bool:
    """Whether `rewrite` has changed a function."""
    return hasattr(function, "rewritten")


def divert(function: Any, ours: Callable[..., Any]) -> None:
    """Let every call of a function lead to ours, which gets the original function first.

    Args:
        function: a Python function that closes over nothing.
        ours: takes the original function, then what the caller gave.
    """
    name = function.__name__
    original = FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    original.__doc__ = function.__doc__
    function.__globals__.setdefault(_TABLE, {})[name] = partial(ours, original)
    made: dict[str, Any] = {}
    body = f"def {name}(*given, **named): return {_TABLE}[{name!r}](*given, **named)"
    exec(compile(body, f"<call of {name}>", "exec"), function.__globals__, made)
    function.__code__ = made[name].__code__
    function.__defaults__ = function.__kwdefaults__ = None
    # signature and help stay the original's
    function.__wrapped__ = original


def is_diverted(function: Any) -> bool:
    """Whether `divert` has changed a function."""
    return function.__name__ in function.__globals__.get(_TABLE, {})


# What these models draw or count outside their parameters, and leave out of their checkpoints.
STATE: dict[type, list[str]] = {
    nceplrec.NCEPLRec: ["user_embeddings", "item_embeddings"],
    nncf.NNCF: ["u_neigh", "i_neigh"],
    fwfm.FwFM: ["weight"],
    macridvae.MacridVAE: ["update"],
    multivae.MultiVAE: ["update"],
    ract.RaCT: ["update"],
    diffrec.DiffRec: ["Lt_history", "Lt_count"],
    ldiffrec.LDiffRec: ["Lt_history", "Lt_count", "update_count", "update_count_vae"],
}
KD_DAGFM_TEACHERS = ("CrossNet", "CIN")


@dataclass(frozen=True)
class Repair:
    """One repair of RecBole.

    Attributes:
        name: what is repaired.
        cause: why it broke.
        upstream: RecBole's issue numbers, or why there is none.
        delete_when: the condition under which the repair can go.
        needed: tells whether the installed stack needs it and it is not applied yet.
        apply: applies it.
    """

    name: str
    cause: str
    upstream: str
    delete_when: str
    needed: Callable[[], bool]
    apply: Callable[[], None]


class _RayTune:
    """What RecBole uses of `ray.tune`, without importing Ray before somebody else does."""

    @staticmethod
    def report(**metrics: Any) -> None:
        """Report a trial's metrics to the Ray that runs it; without effect where none does."""
        if "ray.tune" in sys.modules:
            sys.modules["ray.tune"].report(metrics)


def _import_without_ray() -> None:
    """Import RecBole's quick start with a stand-in where it looks for Ray."""
    installed = {name: sys.modules.pop(name, None) for name in ("ray", "ray.tune")}
    stand_in = ModuleType("ray")
    stand_in.tune = _RayTune  # type: ignore[attr-defined]
    sys.modules["ray"] = stand_in
    try:
        from recbole.quick_start import quick_start
    finally:
        del sys.modules["ray"]
        sys.modules.update({name: found for name, found in installed.items() if found})
    quick_start.tune = _RayTune


def _imports_ray() -> bool:
    quick_start = sys.modules.get("recbole.quick_start.quick_start")
    return getattr(quick_start, "tune", None) is not _RayTune


def _count_training_items(model: Any, _config: Any, dataset: Any) -> None:
    items = torch.as_tensor(np.asarray(dataset.inter_feat[dataset.iid_field]))
    counts = torch.bincount(items, minlength=dataset.item_num)
    model.item_cnt = counts.unsqueeze(1).to(model.device)
    model.max_cnt = model.item_cnt.max(dim=0).values


def _clear_padding(model: Any, _config: Any, _dataset: Any) -> None:
    with torch.no_grad():
        for embedding in (model.user_embedding, model.item_embedding):
            embedding.weight[0].zero_()


def _count_once() -> None:
    _add_to_constructor(pop.Pop, _count_training_items)
    pop.Pop.calculate_loss = lambda model, _batch: model.fake_loss.sum()


def _dok_update(matrix: sparse.dok_matrix, entries: Mapping[tuple[int, int], Any]) -> None:
    """Set many entries at once; the keys are valid (row, column) pairs of the matrix."""
    for (row, column), value in entries.items():
        matrix[row, column] = value


def _give_back_dok_update() -> None:
    setattr(sparse.dok_matrix, "_update", _dok_update)  # noqa: B010


def _sample_at_most(n_users: int, n_items: int, size: int) -> tuple[list[int], list[int]]:
    """Users and items without repetition, `size` of each or all there are."""
    users, items = range(n_users), range(n_items)
    return random.sample(users, min(size, n_users)), random.sample(items, min(size, n_items))


def _limit_samples() -> None:
    dgcf.sample_cor_samples = _sample_at_most


def _no_noise(scores: Any, mag: float = 0.0) -> Any:  # noqa: ARG001
    return scores


def _take_noise_away() -> None:
    admmslim.add_noise = _no_noise


def _save_state() -> None:
    for model, names in STATE.items():
        model.other_parameter_name = names  # type: ignore[attr-defined]


def _check_item_embedding(_model: Any, config: Any, dataset: Any) -> None:
    path = Path(dataset.dataset_path) / "item_emb.npy"
    if config["n_cate"] == 1 or not path.is_file():
        return
    try:
        np.load(path, allow_pickle=False)
    except ValueError:
        raise UsageError(
            f"'{path}' holds pickled objects or is damaged, and is not opened. Write the item "
            f"embeddings as an array of numbers with numpy.save."
        ) from None


def _check_teacher(_model: Any, config: Any, _dataset: Any) -> None:
    teacher = config["teacher"]
    if teacher not in KD_DAGFM_TEACHERS:
        raise UsageError(f"Unknown teacher '{teacher}'.{nearest(str(teacher), KD_DAGFM_TEACHERS)}")


def _add_to_constructor(
    model: Any, addition: Callable[[Any, Any, Any], None], *, first: bool = False
) -> None:
    """Let a model's constructor end, or begin, with something, given what it is given itself."""
    construct = model.__init__

    @wraps(construct)
    def longer(self: Any, config: Any, dataset: Any) -> None:
        if first:
            addition(self, config, dataset)
        construct(self, config, dataset)
        if not first:
            addition(self, config, dataset)

    model.__init__ = longer


def _is_longer(model: Any) -> bool:
    return hasattr(model.__init__, "__wrapped__")


def _append_arguments(record: LogRecord) -> bool:
    """Put arguments that a message has no place for behind it."""
    if isinstance(record.args, tuple) and record.args and "%" not in str(record.msg):
        record.msg = " ".join(map(str, (record.msg, *record.args)))
        record.args = ()
    return True


def _tensorboard_near_log(logger: Logger) -> SummaryWriter:
    """RecBole's writer for logs in `log/<model>/`, one beside the log for logs anywhere else."""
    for handler in logger.handlers:
        if isinstance(handler, FileHandler):
            folder = Path(handler.baseFilename).parent
            if folder.parent.name != "log":
                with naming(folder / "tensorboard"):
                    return SummaryWriter(str(folder / "tensorboard"))
    with naming(Path("log_tensorboard")):
        usual: SummaryWriter = get_tensorboard(logger)
    return usual


def _move_tensorboard() -> None:
    trainer.get_tensorboard = _tensorboard_near_log


def _words(*functions: Any, changes: tuple[tuple[str, str], ...], **about: str) -> Repair:
    """A repair that replaces words in some of RecBole's functions."""

    def apply() -> None:
        for function in functions:
            rewrite(function, *changes)

    return Repair(**about, needed=lambda: not all(map(is_rewritten, functions)), apply=apply)


def _let_thread_end_quietly() -> None:
    writing = event_file_writer._AsyncWriterThread.run

    @wraps(writing)
    def run(self: Any) -> None:
        with suppress(OSError):
            writing(self)

    event_file_writer._AsyncWriterThread.run = run


def _silence(*, message: str, category: type[Warning], **about: str) -> Repair:
    """A repair that hides one warning from users, who can do nothing about it."""
    entry = ("ignore", re.compile(message, re.IGNORECASE), category, None, 0)
    return Repair(
        **about,
        needed=lambda: entry not in warnings.filters,
        apply=lambda: warnings.filterwarnings("ignore", message=message, category=category),
    )


REPAIRS: tuple[Repair, ...] = (
    _silence(
        name="backslashes in docstrings",
        cause="some of RecBole's docstrings hold backslashes, of which Python 3.12 warns where it "
        "compiles them: on first use, where an installer left that undone",
        upstream="none filed",
        delete_when="the docstrings are raw strings",
        message="invalid escape sequence",
        category=SyntaxWarning,
    ),
    Repair(
        name="import of Ray",
        cause="RecBole's quick start imports ray for one call, which Ray has changed since; its "
        "metadata asks for a release that has no wheel past Python 3.11",
        upstream="RecBole #2162, #2078",
        delete_when="RecBole imports Ray only where it runs it",
        needed=_imports_ray,
        apply=_import_without_ray,
    ),
    _words(
        Config.compatibility_settings,
        changes=(
            ("np.float_", "np.float64"),
            ("np.complex_", "np.complex128"),
            ("np.unicode_", "np.str_"),
        ),
        name="names that NumPy 2 took away",
        cause="Config gives NumPy back old names by others that left with NumPy 2",
        upstream="RecBole #2215, #2174",
        delete_when="RecBole uses Python's own types",
    ),
    _words(
        Dataset._load_feat,
        changes=(
            ('df[field].fillna(value="", inplace=True)', 'df[field] = df[field].fillna(value="")'),
        ),
        name="missing sequences",
        cause="a column is filled in place through its frame, which pandas 3 takes for a copy",
        upstream="none filed",
        delete_when="RecBole assigns the filled column back",
    ),
    _words(
        Dataset._fill_nan,
        changes=(
            (
                "feat[field].fillna(value=0, inplace=True)",
                "feat[field] = feat[field].fillna(value=0)",
            ),
            (
                "feat[field].fillna(value=feat[field].mean(), inplace=True)",
                "feat[field] = feat[field].fillna(value=feat[field].mean())",
            ),
        ),
        name="missing tokens and numbers",
        cause="as for missing sequences; silently, padding became a huge negative id",
        upstream="none filed",
        delete_when="RecBole assigns the filled column back",
    ),
    _words(
        Dataset._normalize,
        Dataset._discretization,
        Dataset._remap,
        SequentialDataset._benchmark_presets,
        KnowledgeBasedDataset._reset_ent_remapID,
        changes=((".agg(len)", ".map(len)"),),
        name="lengths of sequences",
        cause="sequences are measured by Series.agg(len), which is one number since pandas 3",
        upstream="none filed",
        delete_when="RecBole uses Series.map(len)",
    ),
    _words(
        Dataset._dataframe_to_interaction,
        changes=(("value = data[k].values", "value = data[k].to_numpy(copy=True)"),),
        name="tensors of columns",
        cause="tensors share the memory of columns, which pandas 3 gives out for reading only",
        upstream="none filed",
        delete_when="RecBole copies the column",
    ),
    _words(
        Interaction.sort,
        changes=(("np.argsort(key,", "np.argsort(np.asarray(key),"),),
        name="sorting of interactions",
        cause="NumPy 2 calls a tensor's own argsort, whose arguments are others, and warns",
        upstream="none filed",
        delete_when="RecBole sorts by torch or by arrays",
    ),
    _words(
        Collector.get_data_struct,
        changes=(
            (
                "for key in self.data_struct._data_dict:",
                "for key in [k for k, v in self.data_struct._data_dict.items() "
                "if isinstance(v, torch.Tensor)]:",
            ),
        ),
        name="metrics of all items",
        cause="ItemCoverage, GiniIndex, AveragePopularity and TailPercentage keep plain numbers "
        "and counters, which have no cpu()",
        upstream="RecBole #2131, #2191",
        delete_when="RecBole moves tensors only",
    ),
    _words(
        hyper_tuning.exhaustive_search,
        changes=(("np.random.RandomState(seed)", "np.random.default_rng(seed)"),),
        name="exhaustive search's generator",
        cause="hyperopt since 0.2.7 draws by NumPy's new generators",
        upstream="RecBole #1320, #1868",
        delete_when="RecBole uses default_rng",
    ),
    _words(
        hyper_tuning.HyperTuning.plot_hyper,
        changes=(("np.str)", "str)"),),
        name="the plot of a tuning",
        cause="it uses np.str, which exists only after a Config was made",
        upstream="none filed",
        delete_when="RecBole uses str",
    ),
    Repair(
        name="counts of Pop",
        cause="Pop adds by repeated indices, so that an item counts once a batch, and it counts "
        "sampled negatives as well",
        upstream="RecBole #2198, #1844",
        delete_when="RecBole counts the training interactions",
        needed=lambda: not _is_longer(pop.Pop),
        apply=_count_once,
    ),
    Repair(
        name="padding of ENMF",
        cause="ENMF sums over histories that are filled up with id 0, whose embedding its "
        "initialisation overwrites: padding counts as collaborations",
        upstream="none filed",
        delete_when="RecBole keeps the row at zero, or masks it",
        needed=lambda: not _is_longer(enmf.ENMF),
        apply=lambda: _add_to_constructor(enmf.ENMF, _clear_padding),
    ),
    Repair(
        name="dok_matrix._update",
        cause="LightGCN, NGCF, GCMC, SpectralCF and NCL fill their adjacency matrix by a private "
        "method that scipy removed in 1.13",
        upstream="RecBole #2034, #2090",
        delete_when="RecBole builds these matrices from row and column indices",
        needed=lambda: not hasattr(sparse.dok_matrix, "_update"),
        apply=_give_back_dok_update,
    ),
    Repair(
        name="DGCF's samples",
        cause="DGCF draws as many users as items for its independence loss, without repetition, "
        "and fails where there are fewer users than that",
        upstream="none filed",
        delete_when="RecBole limits each sample to what there is",
        needed=lambda: dgcf.sample_cor_samples is not _sample_at_most,
        apply=_limit_samples,
    ),
    Repair(
        name="ADMMSLIM's noise",
        cause="ADMMSLIM adds random noise to its scores to break ties, so that no two evaluations "
        "of one model agree; ranks are exact under ties here",
        upstream="none filed",
        delete_when="RecBole ranks ties itself",
        needed=lambda: admmslim.add_noise is not _no_noise,
        apply=_take_noise_away,
    ),
    Repair(
        name="state outside checkpoints",
        cause="some models draw neighbours, weights or factors in their constructor, or count "
        "their steps, without saving them: reloaded under another seed, or resumed, they differ",
        upstream="none filed; FwFM's weights moved to the constructor with #1413",
        delete_when="RecBole registers them as buffers or names them in other_parameter_name",
        needed=lambda: any(not hasattr(model, "other_parameter_name") for model in STATE),
        apply=_save_state,
    ),
    Repair(
        name="LDiffRec's item embeddings",
        cause="LDiffRec unpickles item_emb.npy of the data set's folder, which can run any code",
        upstream="none filed",
        delete_when="RecBole loads it with allow_pickle=False",
        needed=lambda: not _is_longer(ldiffrec.LDiffRec),
        apply=lambda: _add_to_constructor(ldiffrec.LDiffRec, _check_item_embedding, first=True),
    ),
    Repair(
        name="KD_DAGFM's teacher",
        cause="KD_DAGFM evaluates its setting 'teacher' as Python, and a run's settings may come "
        "from somebody else",
        upstream="none filed",
        delete_when="RecBole looks the name up",
        needed=lambda: not _is_longer(kd_dagfm.KD_DAGFM),
        apply=lambda: _add_to_constructor(kd_dagfm.KD_DAGFM, _check_teacher, first=True),
    ),
    Repair(
        name="log lines without a place for their arguments",
        cause="RaCT and DGCF log as if by print, and logging answers with a traceback",
        upstream="none filed",
        delete_when="RecBole formats these lines",
        needed=lambda: _append_arguments not in getLogger().filters,
        apply=lambda: getLogger().addFilter(_append_arguments),
    ),
    Repair(
        name="TensorBoard's folder",
        cause="Trainer names it after the log file alone, in the working folder, so that runs "
        "whose logs stand in their own folders would all write to one",
        upstream="none filed",
        delete_when="RecBole lets a run say where its curves go",
        needed=lambda: trainer.get_tensorboard is not _tensorboard_near_log,
        apply=_move_tensorboard,
    ),
    Repair(
        name="TensorBoard's thread",
        cause="on a full disk it prints a traceback, and hands the same error on to the next line "
        "of the curves besides",
        upstream="none filed; tensorboard's own",
        delete_when="its thread only hands the error on",
        needed=lambda: not hasattr(event_file_writer._AsyncWriterThread.run, "__wrapped__"),
        apply=_let_thread_end_quietly,
    ),
    Repair(
        name="checkpoints by pickle",
        cause="RecBole pickles its configuration into every checkpoint, which torch 2.6 and later "
        "refuse to load again, and unpickles what it is told to start from, which can run any code",
        upstream="RecBole #2212, #2215",
        delete_when="RecBole's checkpoints hold tensors and plain values and load as such",
        needed=lambda: not checkpoint.is_in_place(),
        apply=checkpoint.put_in_place,
    ),
    _silence(
        name="GradScaler and autocast",
        cause="Trainer and NCLTrainer use names in torch.cuda.amp that torch 2.4 deprecated",
        upstream="none filed",
        delete_when="RecBole uses those of torch.amp",
        message=r"`torch.cuda.amp.(GradScaler|autocast)\(args...\)` is deprecated",
        category=FutureWarning,
    ),
    _silence(
        name="changes in place",
        cause="Dataset drops and sorts rows in place, which pandas 3.1 deprecated",
        upstream="none filed",
        delete_when="RecBole assigns the result",
        message="The inplace keyword in .* is deprecated",
        category=DeprecationWarning,
    ),
    _silence(
        name="sparse tensors",
        cause="DGCF, GCMC and other graph models make sparse tensors by a deprecated constructor",
        upstream="none filed",
        delete_when="RecBole uses torch.sparse_coo_tensor",
        message=r"torch.sparse.SparseTensor\(.*\) is deprecated",
        category=UserWarning,
    ),
    _silence(
        name="tensors from lists of arrays",
        cause="DMF makes a tensor from a list of arrays, which is only slow",
        upstream="none filed",
        delete_when="RecBole makes one array first",
        message="Creating a tensor from a list of numpy.ndarrays is extremely slow",
        category=UserWarning,
    ),
    _silence(
        name="indices as lists",
        cause="predict of CDAE and the auto-encoders indexes by a list of two tensors, which torch "
        "still reads as a pair of indices",
        upstream="none filed; torch is bounded above for such changes",
        delete_when="RecBole indexes by a tuple",
        message="Using a non-tuple sequence for multidimensional indexing is deprecated",
        category=UserWarning,
    ),
)


def apply_repairs() -> tuple[str, ...]:
    """Apply the repairs that the installed stack needs.

    Returns:
        The names of the repairs applied by this call; a second call applies only what is missing.
    """
    applied = []
    for repair in REPAIRS:
        if repair.needed():
            repair.apply()
            applied.append(repair.name)
    return tuple(applied)


APPLIED = apply_repairs()
