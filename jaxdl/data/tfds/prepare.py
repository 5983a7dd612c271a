"""TFDS's builders: their names, their archives, how TFDS prepares their sets, and where prepared sets are stored."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from jaxdl.data.tfds.archives import Archive, manual_dir
from jaxdl.data.tfds.names import parsed
from jaxdl.errors import UserError, check_installed, did_you_mean, unknown

# TFDS's packages of sets that it imports one after the other, until one cannot be imported.
_PACKAGES = """question_answering ranking recommendation robotics robomimic structured summarization text
text_simplification time_series translate video vision_language"""


def builder_class(name: str) -> Any:
    """Returns TFDS's builder class of the set `name`, such as ``"mnist"`` or ``"emnist/letters:3.1.0"``.

    Raises:
        UserError: TFDS has no such set, the set has no such config, or TFDS does not prepare this version of it.
    """
    import tensorflow_datasets as tfds

    parts = parsed(name)
    dataset, config = parts.dataset, parts.config
    known = tfds.list_builders(with_community_datasets=False)  # listing community data sets needs the network
    if dataset not in known:
        _import_further_sets()
        known = tfds.list_builders(with_community_datasets=False)
    if dataset not in known:
        raise UserError(
            f"unknown data set {dataset!r}.{did_you_mean(dataset, [*known, 'bits', 'digits', 'shapes'])} It is not "
            f"embedded (bits, digits, shapes) and not among the {len(known)} sets of tensorflow-datasets."
        )
    builder = tfds.builder_cls(dataset)
    if config and config not in builder.builder_configs:
        raise unknown(f"config of {dataset}:", config, builder.builder_configs)
    versions = _versions(builder, config)
    if parts.version and versions and parts.version not in versions:
        raise UserError(
            f"tensorflow-datasets prepares {' and '.join(versions)} of {parts.without_version}, not {parts.version}: "
            "leave the version out, or copy a prepared set of that version into the data folder."
        )
    return builder


def _import_further_sets() -> None:
    """Imports the sets that TFDS leaves out where one of the packages before theirs needs a library (as h5py)."""
    for package in _PACKAGES.split():
        with contextlib.suppress(ImportError), quiet():
            import_module(f"tensorflow_datasets.{package}")


def _versions(builder: Any, config: str) -> list[str]:
    """Returns the versions of a set that TFDS prepares, its own first."""
    of_config = builder.builder_configs.get(config or next(iter(builder.builder_configs), ""))
    own = getattr(of_config, "version", None) or builder.VERSION
    further = [*getattr(of_config, "supported_versions", ()), *builder.SUPPORTED_VERSIONS]
    return list(dict.fromkeys(str(version) for version in (own, *further) if version))


def archives(builder: Any, name: str) -> list[Archive]:
    """Lists the original archives that TFDS registers for a set, in a fixed order.

    TFDS registers those of all configs together; where a config names its own, these are taken.
    """
    configs = builder.builder_configs
    urls = {key: getattr(config, "data_url", None) for key, config in configs.items()}
    own = urls.get(parsed(name).config or next(iter(configs), ""))
    infos = sorted((builder.url_infos or {}).items())
    if any(urls.values()):
        infos = [(url, info) for url, info in infos if (url == own if own else url not in urls.values())]
    return [Archive(info.filename, url, int(info.size), info.checksum) for url, info in infos if info.filename]


def is_registered(sha256: str) -> bool:
    """Whether any archive of any set of TFDS has this SHA-256."""
    from tensorflow_datasets.core.download import checksums

    return any(info.checksum == sha256 for info in checksums.get_all_url_infos().values())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS from printing and from drawing its own progress bars."""
    from tensorflow_datasets.core.utils import tqdm_utils

    shown = getattr(tqdm_utils, "_active", True)
    tqdm_utils.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tqdm_utils.display_progress_bar(shown)


def check_tensorflow(name: str) -> None:
    """Checks that TensorFlow is installed, which TFDS needs to prepare most sets.

    Raises:
        UserError: it is not.
    """
    check_installed(["tensorflow"], "tf", f"{name} is not prepared; preparing it with TensorFlow Datasets")


def prepare_with_tensorflow(builder: Any, name: str, data_dir: Path) -> None:
    """Lets TFDS download and prepare a set in `data_dir` in its usual way, in array_record files.

    Raises:
        UserError: TFDS cannot prepare the set.
    """
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(manual_dir=manual_dir(data_dir), try_download_gcs=False)
    try:
        parts = parsed(name)
        made = builder(data_dir=data_dir, config=parts.config or None, version=parts.version or None)
        made.download_and_prepare(download_config=config, file_format="array_record")
    except Exception as problem:  # TFDS's builders may raise anything
        raise not_prepared(name, problem) from problem


def not_prepared(name: str, problem: Exception) -> UserError:
    """Returns the error for what went wrong inside of TFDS while it prepared a set."""
    reason = str(problem).strip().partition("\n")[0]
    return UserError(f"TFDS could not prepare {name}: {type(problem).__name__}: {reason}")


def publish(prepared: Path, data_dir: Path) -> Path:
    """Moves the only set of a folder like TFDS's ``DATA_DIR`` into `data_dir`; returns the set's new folder.

    Raises:
        UserError: something else is at its place.
    """
    folder = next(prepared.rglob("dataset_info.json")).parent
    target = data_dir / folder.relative_to(prepared)
    target.parent.mkdir(parents=True, exist_ok=True)
    for default_config in prepared.glob("*/.config"):  # TFDS's file with the name of the default config
        with contextlib.suppress(OSError):
            os.rename(default_config, data_dir / default_config.relative_to(prepared))
    try:
        os.rename(folder, target)
    except OSError as problem:
        if not target.exists():
            raise
        raise UserError(f"{target} is in the way and is not a prepared data set: remove it.") from problem
    return target
