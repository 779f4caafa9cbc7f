"""Every repair that RecBole 1.2.1 needs on the supported stack, applied on import."""

import inspect
import random
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from importlib import import_module
from logging import FileHandler, Logger, LogRecord, getLogger
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

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
KD_DAGFM_TEACHERS = ("CrossNet", "CIN")


def divert(function: Any, ours: Callable[..., Any]) -> None:
    """Let every call of a function lead, once and for all, to ours.

    Args:
        function: a Python function that closes over nothing.
        ours: takes the original function, then what the caller gave.
    """
    name = function.__name__
    if name in function.__globals__.get(_TABLE, {}):
        return
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


class Change(NamedTuple):
    """A change of something installed: whether it is needed and not made yet, and what makes it."""

    needed: Callable[[], bool]
    apply: Callable[[], None]


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


def words(function: Any, changes: Mapping[str, str]) -> Change:
    """Some words of a function replaced, as `rewrite` does."""
    return Change(lambda: not is_rewritten(function), lambda: rewrite(function, *changes.items()))


def put(owner: Any, name: str, value: Any, *, only_missing: bool = False) -> Change:
    """A value in place of an attribute, or of a missing one only."""
    return Change(
        lambda: not hasattr(owner, name) if only_missing else getattr(owner, name, 0) is not value,
        lambda: setattr(owner, name, value),
    )


def silence(message: str, category: type[Warning]) -> Change:
    """A warning hidden from users, who can do nothing about it."""
    entry = ("ignore", re.compile(message, re.IGNORECASE), category, None, 0)
    return Change(
        lambda: entry not in warnings.filters,
        lambda: warnings.filterwarnings("ignore", message=message, category=category),
    )


class Repair(NamedTuple):
    """One repair of RecBole.

    Attributes:
        name: what is repaired.
        cause: why it broke.
        upstream: RecBole's issue numbers, or why there is none.
        delete_when: the condition under which the repair can go.
        changes: what it consists of.
    """

    name: str
    cause: str
    upstream: str
    delete_when: str
    changes: tuple[Change, ...]

    def needed(self) -> bool:
        """Whether one of its changes is needed."""
        return any(change.needed() for change in self.changes)


def _repair(
    name: str, cause: str, delete_when: str, *changes: Change, upstream: str = "none filed"
) -> Repair:
    return Repair(name, cause, upstream, delete_when, changes)


class _RayTune:
    """What RecBole uses of `ray.tune`, without importing Ray before somebody else does."""

    @staticmethod
    def report(**metrics: Any) -> None:
        """Report a trial's metrics to the Ray that runs it; without effect where none does."""
        if "ray.tune" in sys.modules:
            sys.modules["ray.tune"].report(metrics)


def _quick_start() -> ModuleType:
    """RecBole's quick start, imported with a stand-in where it looks for Ray."""
    installed = {name: sys.modules.pop(name, None) for name in ("ray", "ray.tune")}
    stand_in = ModuleType("ray")
    stand_in.tune = None  # type: ignore[attr-defined]
    sys.modules["ray"] = stand_in
    try:
        return import_module("recbole.quick_start.quick_start")
    finally:
        del sys.modules["ray"]
        sys.modules.update({name: found for name, found in installed.items() if found})


def _longer(
    model: Any, addition: Callable[[Any, Any, Any], None], *, first: bool = False
) -> Change:
    """Let a model's constructor end, or begin, with something, given what it is given itself."""
    construct = model.__init__

    @wraps(construct)
    def longer(self: Any, config: Any, dataset: Any) -> None:
        if first:
            addition(self, config, dataset)
        construct(self, config, dataset)
        if not first:
            addition(self, config, dataset)

    return put(model, "__init__", longer)


def _count_training_items(model: Any, _config: Any, dataset: Any) -> None:
    items = torch.as_tensor(np.asarray(dataset.inter_feat[dataset.iid_field]))
    counts = torch.bincount(items, minlength=dataset.item_num)
    model.item_cnt = counts.unsqueeze(1).to(model.device)
    model.max_cnt = model.item_cnt.max(dim=0).values


def _no_loss(model: Any, _batch: Any) -> Any:
    return model.fake_loss.sum()


def _clear_padding(model: Any, _config: Any, _dataset: Any) -> None:
    with torch.no_grad():
        for embedding in (model.user_embedding, model.item_embedding):
            embedding.weight[0].zero_()


def _dok_update(matrix: sparse.dok_matrix, entries: Mapping[tuple[int, int], Any]) -> None:
    """Set many entries at once; the keys are valid (row, column) pairs of the matrix."""
    for (row, column), value in entries.items():
        matrix[row, column] = value


def _sample_at_most(n_users: int, n_items: int, size: int) -> tuple[list[int], list[int]]:
    """Users and items without repetition, `size` of each or all there are."""
    users, items = range(n_users), range(n_items)
    return random.sample(users, min(size, n_users)), random.sample(items, min(size, n_items))


def _no_noise(scores: Any, mag: float = 0.0) -> Any:  # noqa: ARG001
    return scores


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


def _quiet_thread() -> Change:
    writer = event_file_writer._AsyncWriterThread
    writing = writer.run

    @wraps(writing)
    def run(self: Any) -> None:
        with suppress(OSError):
            writing(self)

    return put(writer, "run", run)


def _modules_of_checkpoints() -> list[ModuleType]:
    # A model beside S3Rec, SINE, switches torch's slow search for anomalies on when it is imported.
    before = torch.is_anomaly_enabled()
    modules = [import_module(name) for name in checkpoint.MODULES]
    torch.autograd.set_detect_anomaly(before)
    return modules


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


_LENGTHS = {".agg(len)": ".map(len)"}
_BACKSLASHES = silence("invalid escape sequence", SyntaxWarning)
_BACKSLASHES.apply()  # already for the modules that the table imports


def _filled(frame: str, value: str) -> dict[str, str]:
    """Words that fill a column in place, and those that assign it."""
    return {
        f"{frame}[field].fillna(value={value}, inplace=True)": (
            f"{frame}[field] = {frame}[field].fillna(value={value})"
        )
    }


REPAIRS: tuple[Repair, ...] = (
    _repair(
        "import of Ray",
        "quick start imports ray for one call, which Ray has changed since",
        "RecBole imports Ray only where it runs it",
        put(_quick_start(), "tune", _RayTune),
        upstream="RecBole #2162, #2078",
    ),
    _repair(
        "NumPy 2",
        "Config gives NumPy back old names by others that left; a tensor's own argsort, whose "
        "arguments are others, is called",
        "RecBole uses Python's own types, and sorts by torch or by arrays",
        words(
            Config.compatibility_settings,
            {"np.float_": "np.float64", "np.complex_": "np.complex128", "np.unicode_": "np.str_"},
        ),
        words(Interaction.sort, {"np.argsort(key,": "np.argsort(np.asarray(key),"}),
        upstream="RecBole #2215, #2174",
    ),
    _repair(
        "missing values under pandas 3",
        "a column is filled in place through its frame, which pandas 3 takes for a copy; silently, "
        "padding became a huge negative id",
        "RecBole assigns the filled column back",
        words(Dataset._load_feat, _filled("df", '""')),
        words(Dataset._fill_nan, _filled("feat", "0") | _filled("feat", "feat[field].mean()")),
    ),
    _repair(
        "lengths of sequences under pandas 3",
        "sequences are measured by Series.agg(len), which is one number since",
        "RecBole uses Series.map(len)",
        words(Dataset._normalize, _LENGTHS),
        words(Dataset._discretization, _LENGTHS),
        words(Dataset._remap, _LENGTHS),
        words(SequentialDataset._benchmark_presets, _LENGTHS),
        words(KnowledgeBasedDataset._reset_ent_remapID, _LENGTHS),
    ),
    _repair(
        "tensors of columns under pandas 3",
        "tensors share the memory of columns, which are given out for reading only",
        "RecBole copies the column",
        words(
            Dataset._dataframe_to_interaction,
            {"value = data[k].values": "value = data[k].to_numpy(copy=True)"},
        ),
    ),
    _repair(
        "metrics of all items",
        "ItemCoverage, GiniIndex, AveragePopularity and TailPercentage keep plain numbers and "
        "counters, which have no cpu()",
        "RecBole moves tensors only",
        words(
            Collector.get_data_struct,
            {
                "for key in self.data_struct._data_dict:": "for key in [k for k, v in "
                "self.data_struct._data_dict.items() if isinstance(v, torch.Tensor)]:"
            },
        ),
        upstream="RecBole #2131, #2191",
    ),
    _repair(
        "exhaustive search's generator",
        "hyperopt since 0.2.7 draws by NumPy's new generators",
        "RecBole uses default_rng",
        words(
            hyper_tuning.exhaustive_search,
            {"np.random.RandomState(seed)": "np.random.default_rng(seed)"},
        ),
        upstream="RecBole #1320, #1868",
    ),
    _repair(
        "the plot of a tuning",
        "it uses np.str, which exists only after a Config was made",
        "RecBole uses str",
        words(hyper_tuning.HyperTuning.plot_hyper, {"np.str)": "str)"}),
    ),
    _repair(
        "counts of Pop",
        "Pop adds by repeated indices, so that an item counts once a batch, and it counts sampled "
        "negatives as well",
        "RecBole counts the training interactions",
        _longer(pop.Pop, _count_training_items),
        put(pop.Pop, "calculate_loss", _no_loss),
        upstream="RecBole #2198, #1844",
    ),
    _repair(
        "padding of ENMF",
        "ENMF sums over histories that are filled up with id 0, whose embedding its initialisation "
        "overwrites: padding counts as collaborations",
        "RecBole keeps the row at zero, or masks it",
        _longer(enmf.ENMF, _clear_padding),
    ),
    _repair(
        "dok_matrix._update",
        "LightGCN, NGCF, GCMC, SpectralCF and NCL fill their adjacency matrix by a private method "
        "that scipy removed in 1.13",
        "RecBole builds these matrices from row and column indices",
        put(sparse.dok_matrix, "_update", _dok_update, only_missing=True),
        upstream="RecBole #2034, #2090",
    ),
    _repair(
        "DGCF's samples",
        "it draws as many users as items for its independence loss, without repetition, and fails "
        "where there are fewer users than that",
        "RecBole limits each sample to what there is",
        put(dgcf, "sample_cor_samples", _sample_at_most),
    ),
    _repair(
        "ADMMSLIM's noise",
        "it adds random noise to its scores to break ties, so that no two evaluations of one model "
        "agree; ranks are exact under ties here",
        "RecBole ranks ties itself",
        put(admmslim, "add_noise", _no_noise),
    ),
    _repair(
        "state outside checkpoints",
        "some models draw neighbours, weights or factors in their constructor, or count their "
        "steps, without saving them: reloaded under another seed, or resumed, they differ",
        "RecBole registers them as buffers or names them in other_parameter_name",
        *(put(model, "other_parameter_name", names) for model, names in STATE.items()),
        upstream="none filed; FwFM's weights moved to the constructor with #1413",
    ),
    _repair(
        "LDiffRec's item embeddings",
        "it unpickles item_emb.npy of the data set's folder, which can run any code",
        "RecBole loads it with allow_pickle=False",
        _longer(ldiffrec.LDiffRec, _check_item_embedding, first=True),
    ),
    _repair(
        "KD_DAGFM's teacher",
        "a setting is evaluated as Python, and a run's settings may come from somebody else",
        "RecBole looks the name up",
        _longer(kd_dagfm.KD_DAGFM, _check_teacher, first=True),
    ),
    _repair(
        "log lines without a place for their arguments",
        "RaCT and DGCF log as if by print, and logging answers with a traceback",
        "RecBole formats these lines",
        Change(
            lambda: _append_arguments not in getLogger().filters,
            lambda: getLogger().addFilter(_append_arguments),
        ),
    ),
    _repair(
        "TensorBoard's folder",
        "Trainer names it after the log file alone, in the working folder, so that runs whose logs "
        "stand in their own folders would all write to one",
        "RecBole lets a run say where its curves go",
        put(trainer, "get_tensorboard", _tensorboard_near_log),
    ),
    _repair(
        "TensorBoard's thread",
        "on a full disk it prints a traceback, and hands the same error on to the next line of the "
        "curves besides",
        "tensorboard's thread only hands the error on",
        _quiet_thread(),
        upstream="none filed; tensorboard's own",
    ),
    _repair(
        "checkpoints by pickle",
        "the configuration is pickled into every checkpoint, which torch 2.6 and later refuse to "
        "load again, and what a model starts from is unpickled, which can run any code",
        "RecBole's checkpoints hold tensors and plain values and load as such",
        *(put(module, "torch", checkpoint.STAND_IN) for module in _modules_of_checkpoints()),
        upstream="RecBole #2212, #2215",
    ),
    _repair(
        "deprecated and slow calls",
        "warnings of torch.cuda.amp (Trainer, NCL), changes in place (Dataset), sparse tensors "
        "(graph models), lists of arrays (DMF), lists as indices (auto-encoders), and of "
        "backslashes in docstrings, where Python 3.12 compiles them on first use",
        "RecBole writes each in the way of today",
        silence(r"`torch.cuda.amp.(GradScaler|autocast)\(args...\)` is deprecated", FutureWarning),
        silence("The inplace keyword in .* is deprecated", DeprecationWarning),
        silence(r"torch.sparse.SparseTensor\(.*\) is deprecated", UserWarning),
        silence("Creating a tensor from a list of numpy.ndarrays is extremely slow", UserWarning),
        silence(
            "Using a non-tuple sequence for multidimensional indexing is deprecated", UserWarning
        ),
        _BACKSLASHES,
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
            for change in repair.changes:
                if change.needed():
                    change.apply()
            applied.append(repair.name)
    return tuple(applied)


APPLIED = apply_repairs()
