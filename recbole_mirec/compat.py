"""Every repair that RecBole 1.2.1 needs on the supported stack, applied on import."""

import inspect
import random
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from importlib import import_module
from logging import FileHandler, Logger, LogRecord, getLogger
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from recbole.config import Config
from recbole.data.dataset import Dataset, KnowledgeBasedDataset, SequentialDataset
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector
from recbole.model import context_aware_recommender as by_context
from recbole.model import general_recommender as general
from recbole.model.general_recommender import admmslim, dgcf
from recbole.trainer import hyper_tuning, trainer
from recbole.utils import get_tensorboard
from scipy import sparse
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.files import naming
from recbole_mirec import checkpoint

_TABLE = "_recbole_mirec_diverted"
# The name of the handler that writes a run's log, and with it the place of its curves.
LOG_HANDLER = "recbole_mirec.file"
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
    body = f"def {name}(*given, **named): return {_TABLE}[{name!r}](*given, **named)"
    _recode(function, body, f"<call of {name}>")
    function.__defaults__ = function.__kwdefaults__ = None
    # signature and help stay the original's
    function.__wrapped__ = original


def rewrite(function: Any, changes: Mapping[str, str]) -> None:
    """Compile a function, once, from its installed source with some words replaced, in place.

    It is a Python function, or a class's method, that closes over nothing.

    Raises:
        LookupError: the source does not hold the words: another release than the one repaired.
    """
    if hasattr(function, "rewritten"):
        return
    lines, first = inspect.getsourcelines(function)
    source = "".join(lines)
    for old, new in changes.items():
        if old not in source:
            raise LookupError(f"{function.__qualname__} does not hold {old!r}.")
        source = source.replace(old, new)
    # Behind as many lines as before, so that tracebacks show the right ones.
    _recode(function, "\n" * (first - 1) + textwrap.dedent(source), inspect.getfile(function))
    function.rewritten = True


def _recode(function: Any, source: str, file: str) -> None:
    made: dict[str, Any] = {}
    exec(compile(source, file, "exec"), function.__globals__, made)
    function.__code__ = made[function.__name__].__code__


class Repair(NamedTuple):
    """One repair of RecBole: what is mended, why it broke, RecBole's issues, and when it can go."""

    name: str
    cause: str
    upstream: str
    delete_when: str
    # a second call of one changes nothing
    changes: tuple[Callable[[], object], ...]


def _repair(
    name: str, cause: str, delete_when: str, *changes: Any, upstream: str = "none filed"
) -> Repair:
    return Repair(name, cause, upstream, delete_when, changes)


def words(function: Any, *changes: tuple[str, str]) -> Callable[[], None]:
    """Some words of a function replaced, as `rewrite` does."""
    return partial(rewrite, function, dict(changes))


def put(owner: Any, name: str, value: Any) -> Callable[[], None]:
    """A value in place of an attribute."""
    return partial(setattr, owner, name, value)


def around(owner: Any, name: str, ours: Callable[..., Any]) -> Callable[[], None]:
    """A method in place of another; takes the original, then what the caller gave."""
    original = getattr(owner, name)
    return put(owner, name, wraps(original)(lambda *given: ours(original, *given)))


def silence(message: str, category: type[Warning]) -> Callable[[], None]:
    """A warning hidden from users, who can do nothing about it."""
    return partial(warnings.filterwarnings, "ignore", message=message, category=category)


def _report(**metrics: Any) -> None:
    """Report a trial's metrics to the Ray that runs it, which is imported only if one does."""
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


def _counting_items(construct: Any, model: Any, config: Any, dataset: Any) -> None:
    construct(model, config, dataset)
    items = torch.as_tensor(np.asarray(dataset.inter_feat[dataset.iid_field]))
    counts = torch.bincount(items, minlength=dataset.item_num)
    model.item_cnt = counts.unsqueeze(1).to(model.device)
    model.max_cnt = model.item_cnt.max(dim=0).values


@torch.no_grad()
def _clearing_padding(construct: Any, model: Any, config: Any, dataset: Any) -> None:
    construct(model, config, dataset)
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


def _checking_item_embedding(construct: Any, model: Any, config: Any, dataset: Any) -> None:
    path = Path(dataset.dataset_path) / "item_emb.npy"
    if config["n_cate"] != 1 and path.is_file():
        try:
            np.load(path, allow_pickle=False)
        except ValueError:
            raise UsageError(
                f"'{path}' holds pickled objects or is damaged, and is not opened. Write the item "
                f"embeddings as an array of numbers with numpy.save."
            ) from None
    construct(model, config, dataset)


def _checking_teacher(construct: Any, model: Any, config: Any, dataset: Any) -> None:
    teacher = config["teacher"]
    if teacher not in KD_DAGFM_TEACHERS:
        raise UsageError(f"Unknown teacher '{teacher}'.{nearest(str(teacher), KD_DAGFM_TEACHERS)}")
    construct(model, config, dataset)


def _append_arguments(record: LogRecord) -> bool:
    """Put arguments that a message has no place for behind it."""
    if isinstance(record.args, tuple) and record.args and "%" not in str(record.msg):
        record.msg = " ".join(map(str, (record.msg, *record.args)))
        record.args = ()
    return True


def _tensorboard_near_log(logger: Logger) -> SummaryWriter:
    """RecBole's writer for logs in `log/<model>/`, one beside the log for logs anywhere else."""
    files = [handler for handler in logger.handlers if isinstance(handler, FileHandler)]
    # the run's own log, whatever else the program that holds us writes
    files.sort(key=lambda handler: handler.name != LOG_HANDLER)
    folder = Path(files[0].baseFilename).parent if files else Path("log", "any")
    if folder.parent.name != "log":
        with naming(folder / "tensorboard"):
            return SummaryWriter(str(folder / "tensorboard"))
    with naming(Path("log_tensorboard")):
        usual: SummaryWriter = get_tensorboard(logger)
    return usual


def _writing_quietly(writing: Any, thread: Any) -> None:
    with suppress(OSError):
        writing(thread)


def _modules_of_checkpoints() -> list[ModuleType]:
    # A model beside S3Rec, SINE, switches torch's slow search for anomalies on when it is imported.
    before = torch.is_anomaly_enabled()
    modules = [import_module(name) for name in checkpoint.MODULES]
    torch.autograd.set_detect_anomaly(before)
    return modules


# What these models draw or count outside their parameters, and leave out of their checkpoints.
STATE: dict[type, list[str]] = {
    general.NCEPLRec: ["user_embeddings", "item_embeddings"],
    general.NNCF: ["u_neigh", "i_neigh"],
    by_context.FwFM: ["weight"],
    general.MacridVAE: ["update"],
    general.MultiVAE: ["update"],
    general.RaCT: ["update"],
    general.DiffRec: ["Lt_history", "Lt_count"],
    general.LDiffRec: ["Lt_history", "Lt_count", "update_count", "update_count_vae"],
}
_MEASURED_BY_LENGTH = (
    Dataset._normalize,
    Dataset._discretization,
    Dataset._remap,
    SequentialDataset._benchmark_presets,
    KnowledgeBasedDataset._reset_ent_remapID,
)
# Warnings that RecBole causes and its users can do nothing about.
_SILENT: dict[str, type[Warning]] = {
    # Python 3.12, when it compiles their docstrings on first use
    "invalid escape sequence": SyntaxWarning,
    r"`torch.cuda.amp.(GradScaler|autocast)\(args...\)` is deprecated": FutureWarning,
    "The inplace keyword in .* is deprecated": DeprecationWarning,
    r"torch.sparse.SparseTensor\(.*\) is deprecated": UserWarning,
    "Creating a tensor from a list of numpy.ndarrays is extremely slow": UserWarning,
    "Using a non-tuple sequence for multidimensional indexing is deprecated": UserWarning,
}
for _message, _category in _SILENT.items():  # already for the modules that the table imports
    silence(_message, _category)()


def _filled(frame: str, value: str) -> tuple[str, str]:
    """Words that fill a column in place, and those that assign it."""
    column = f"{frame}[field]"
    return f"{column}.fillna(value={value}, inplace=True)", f"{column} = {column}.fillna({value})"


_STOP = "early_stop_fn=self.early_stop_fn,"

REPAIRS: tuple[Repair, ...] = (
    _repair(
        "import of Ray",
        "quick start imports ray for one call, which Ray has changed since",
        "RecBole imports Ray only where it runs it",
        put(_quick_start(), "tune", SimpleNamespace(report=_report)),
        upstream="RecBole #2162, #2078",
    ),
    _repair(
        "NumPy 2",
        "Config restores old names by names that left; a tensor's own argsort is called",
        "RecBole uses Python's own types, and sorts by torch or by arrays",
        words(
            Config.compatibility_settings,
            ("np.float_", "np.float64"),
            ("np.complex_", "np.complex128"),
            ("np.unicode_", "np.str_"),
        ),
        words(Interaction.sort, ("np.argsort(key,", "np.argsort(np.asarray(key),")),
        upstream="RecBole #2215, #2174",
    ),
    _repair(
        "pandas 3",
        "columns are filled through a copy (silently, padding became a huge negative id), "
        "sequences are measured by agg(len), now one number, and columns are lent for reading only",
        "RecBole assigns the filled column, uses Series.map(len), and copies columns into tensors",
        words(Dataset._load_feat, _filled("df", '""')),
        words(Dataset._fill_nan, _filled("feat", "0"), _filled("feat", "feat[field].mean()")),
        *(words(function, (".agg(len)", ".map(len)")) for function in _MEASURED_BY_LENGTH),
        words(Dataset._dataframe_to_interaction, ("data[k].values", "data[k].to_numpy(copy=True)")),
    ),
    _repair(
        "metrics of all items",
        "ItemCoverage, GiniIndex and others keep numbers and counters, which have no cpu()",
        "RecBole moves tensors only",
        words(
            Collector.get_data_struct,
            (
                "for key in self.data_struct._data_dict:",
                "for key in [k for k, v in self.data_struct._data_dict.items() "
                "if isinstance(v, torch.Tensor)]:",
            ),
        ),
        upstream="RecBole #2131, #2191",
    ),
    _repair(
        "tuning",
        "hyperopt since 0.2.7 draws by NumPy's new generators, np.str is there after a Config, a "
        "best score of 0 counts as none, and fmin cannot be given `fmin_settings`, such as a seed",
        "RecBole uses default_rng and str, asks whether there is a best score, and takes a seed",
        words(hyper_tuning.exhaustive_search, ("np.random.RandomState(", "np.random.default_rng(")),
        words(hyper_tuning.HyperTuning.plot_hyper, ("np.str)", "str)")),
        words(
            hyper_tuning.HyperTuning.trial,
            ("if not self.best_score:", "if self.best_score is None:"),
        ),
        words(
            hyper_tuning.HyperTuning.run,
            (_STOP, f"{_STOP} **getattr(self, 'fmin_settings', {{}}),"),
        ),
        upstream="RecBole #1320, #1868",
    ),
    _repair(
        "counts of Pop",
        "an item counts once a batch (repeated indices), and sampled negatives count as well",
        "RecBole counts the training interactions",
        around(general.Pop, "__init__", _counting_items),
        put(general.Pop, "calculate_loss", lambda model, _: model.fake_loss.sum()),
        upstream="RecBole #2198, #1844",
    ),
    _repair(
        "padding of ENMF",
        "histories are filled up with id 0, whose embedding is not zero: padding collaborates",
        "RecBole keeps the row at zero, or masks it",
        around(general.ENMF, "__init__", _clearing_padding),
    ),
    _repair(
        "dok_matrix._update",
        "LightGCN, NGCF, GCMC, SpectralCF and NCL call it; scipy 1.13 removed it",
        "RecBole builds these matrices from row and column indices",
        put(sparse.dok_matrix, "_update", getattr(sparse.dok_matrix, "_update", _dok_update)),
        upstream="RecBole #2034, #2090",
    ),
    _repair(
        "DGCF's samples",
        "it draws as many users as items, and fails where there are fewer users than that",
        "RecBole limits each sample to what there is",
        put(dgcf, "sample_cor_samples", _sample_at_most),
    ),
    _repair(
        "ADMMSLIM's noise",
        "random noise breaks ties, so that no two evaluations agree; ranks are exact here",
        "RecBole ranks ties itself",
        put(admmslim, "add_noise", lambda scores, *_, **__: scores),
    ),
    _repair(
        "state outside checkpoints",
        "what some models draw or count is not saved: reloaded or resumed, they differ",
        "RecBole registers it as buffers or names it in other_parameter_name",
        *(put(model, "other_parameter_name", names) for model, names in STATE.items()),
        upstream="none filed; FwFM's weights moved to the constructor with #1413",
    ),
    _repair(
        "code in data and settings",
        "LDiffRec unpickles item_emb.npy of the data set, KD_DAGFM evaluates a setting as Python",
        "RecBole loads with allow_pickle=False, and looks the name up",
        around(general.LDiffRec, "__init__", _checking_item_embedding),
        around(by_context.KD_DAGFM, "__init__", _checking_teacher),
    ),
    _repair(
        "log lines without a place for their arguments",
        "RaCT and DGCF log as if by print, and logging answers with a traceback",
        "RecBole formats these lines",
        partial(getLogger().addFilter, _append_arguments),
    ),
    _repair(
        "TensorBoard",
        "its folder is named after the log file alone, which many runs call log.txt; its thread "
        "prints a traceback on a full disk, and hands the error on to the next line besides",
        "RecBole lets a run say where its curves go; tensorboard's thread only hands errors on",
        put(trainer, "get_tensorboard", _tensorboard_near_log),
        around(event_file_writer._AsyncWriterThread, "run", _writing_quietly),
    ),
    _repair(
        "checkpoints by pickle",
        "a pickle can run any code, and torch since 2.6 refuses the configuration in it",
        "RecBole's checkpoints hold tensors and plain values and load as such",
        *(put(module, "torch", checkpoint.STAND_IN) for module in _modules_of_checkpoints()),
        upstream="RecBole #2212, #2215",
    ),
    _repair(
        "deprecated and slow calls",
        "they warn",
        "RecBole writes each in the way of today",
        *(silence(message, category) for message, category in _SILENT.items()),
    ),
)


def apply_repairs() -> None:
    """Apply the repairs; a second call changes nothing."""
    for repair in REPAIRS:
        for change in repair.changes:
            change()


apply_repairs()
