"""Preparing a TFDS data set from its original archives, without TensorFlow where the archives are of MNIST's format."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.tfds.archives import Archive, manual_dir
from jaxdl.errors import UserError, did_you_mean, unknown

# An IDX file starts with a magic number and the size of each dimension, four bytes each.
_IMAGES_HEADER_BYTES, _LABELS_HEADER_BYTES = 16, 8
_IMAGE_SIDE = 28


def builder_class(name: str) -> Any:
    """Returns TFDS's builder class of the set `name`, such as ``"mnist"`` or ``"emnist/letters"``.

    Raises:
        UserError: TFDS knows no such set, or the set has no such config.
    """
    import tensorflow_datasets as tfds

    dataset, _, config = name.partition("/")
    known = tfds.list_builders(with_community_datasets=False)  # those of the community are listed on the network
    if dataset not in known:
        raise UserError(
            f"unknown data set {dataset!r}.{did_you_mean(dataset, [*known, 'bits', 'digits'])} It is neither embedded "
            f"(bits, digits) nor among the {len(known)} sets of tensorflow-datasets."
        )
    builder = tfds.builder_cls(dataset)
    if config and config not in builder.builder_configs:
        raise unknown(f"config of {dataset}:", config, builder.builder_configs)
    return builder


def is_idx(builder: Any) -> bool:
    """Whether a builder reads MNIST's archive format: MNIST itself, Fashion-MNIST, KMNIST and EMNIST do."""
    from tensorflow_datasets.image_classification import mnist

    return issubclass(builder, mnist.MNIST)


def archives(builder: Any) -> list[Archive]:
    """Lists the original archives that TFDS registers for a set, in a fixed order."""
    infos = sorted((builder.url_infos or {}).items())
    return [Archive(info.filename, url, int(info.size), info.checksum) for url, info in infos if info.filename]


def is_registered(sha256: str) -> bool:
    """Whether any archive of any set that TFDS knows has this sha256."""
    from tensorflow_datasets.core.download import checksums

    return any(info.checksum == sha256 for info in checksums.get_all_url_infos().values())


def prepare_idx(builder: Any, config: str, files: Mapping[Archive, Path], folder: Path) -> Path:
    """Prepares a set of MNIST's format with TFDS, in array_record files; no TensorFlow is needed.

    TFDS verifies size and sha256 of the archives, decides on names, splits and order, and writes the files; only
    unpacking and the encoding of images, for which it would call TensorFlow, are done here.

    Args:
        builder: TFDS's builder class.
        config: name of the config, empty for the default one.
        files: where each archive is.
        folder: an empty folder to work in.

    Returns:
        A folder like TFDS's ``DATA_DIR``, below `folder`, that holds nothing but the prepared set.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    manual, prepared = folder / "manual", folder / "prepared"
    manual.mkdir()
    for archive, path in files.items():
        (manual / archive.file).symlink_to(path.resolve())
    # The name and module of the original, so that TFDS finds its checksums and writes the same description.
    namespace = {"name": builder.name, "__module__": builder.__module__}
    with registered.skip_registration():
        without_tensorflow = type(builder)(builder.__name__, (_IdxWithoutTensorFlow, builder), namespace)
    with quiet():
        without_tensorflow(data_dir=prepared, config=config or None).download_and_prepare(
            download_dir=folder / "downloads",
            download_config=tfds.download.DownloadConfig(manual_dir=manual, try_download_gcs=False),
            file_format="array_record",
        )
    return prepared


class _IdxWithoutTensorFlow:
    """The two methods of TFDS's MNIST builder that would call TensorFlow; goes before the builder in the bases."""

    def _split_generators(self, dl_manager: Any) -> Any:
        return super()._split_generators(_WithoutExtraction(dl_manager))  # type: ignore[misc]

    def _generate_examples(self, num_examples: int, data_path: Any, label_path: Any) -> Iterator[tuple[int, Any]]:
        pixels, labels = _unpacked(Path(data_path)), _unpacked(Path(label_path))
        shape = (num_examples, _IMAGE_SIDE, _IMAGE_SIDE)
        images = np.frombuffer(pixels, np.uint8, offset=_IMAGES_HEADER_BYTES).reshape(shape)
        for index, image in enumerate(images):
            yield index, {"image": _png(image), "label": labels[_LABELS_HEADER_BYTES + index]}


class _WithoutExtraction:
    """A download manager that leaves archives packed: TFDS unpacks with TensorFlow, and keeps what it unpacked."""

    def __init__(self, manager: Any):
        self._manager = manager

    def download_and_extract(self, urls: Any) -> Any:
        return self._manager.download(urls)

    def extract(self, paths: Any) -> Any:
        return paths


def _unpacked(path: Path) -> bytes:
    """Returns the contents of a gzip file, which may be a member of a zip file: ``gzip.zip/gzip/letters.gz``."""
    for outer in path.parents:
        if outer.is_file():
            with zipfile.ZipFile(outer) as members:
                return gzip.decompress(members.read(path.relative_to(outer).as_posix()))
    return gzip.decompress(path.read_bytes())


def _png(image: np.ndarray) -> bytes:
    """Encodes (height, width) uint8 as PNG, without loss."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


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
    """Makes sure that TensorFlow is installed, which TFDS needs to prepare most sets.

    Raises:
        UserError: it is not.
    """
    if find_spec("tensorflow") is None:
        raise UserError(
            f"{name} can only be prepared with TensorFlow: pip install -c constraints.txt -e '.[tf]', then run again."
        )


def prepare_with_tensorflow(builder: Any, name: str, data_dir: Path) -> None:
    """Lets TFDS download and prepare a set in `data_dir` as it does on its own, in array_record files.

    Raises:
        UserError: TFDS cannot prepare the set.
    """
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(manual_dir=manual_dir(data_dir), try_download_gcs=False)
    try:
        builder(data_dir=data_dir, config=name.partition("/")[2] or None).download_and_prepare(
            download_config=config, file_format="array_record"
        )
    except Exception as problem:  # whatever one of TFDS's builders may raise
        reason = str(problem).strip().partition("\n")[0]
        raise UserError(f"TFDS could not prepare {name}: {type(problem).__name__}: {reason}") from problem


def publish(prepared: Path, data_dir: Path) -> Path:
    """Moves the one set that a folder like TFDS's ``DATA_DIR`` holds into `data_dir`; returns the set's new folder.

    Raises:
        UserError: something else is in its place.
    """
    folder = next(prepared.rglob("dataset_info.json")).parent
    target = data_dir / folder.relative_to(prepared)
    target.parent.mkdir(parents=True, exist_ok=True)
    for default_config in prepared.glob("*/.config"):  # TFDS's note of which config is the default
        with contextlib.suppress(OSError):
            os.rename(default_config, data_dir / default_config.relative_to(prepared))
    try:
        os.rename(folder, target)
    except OSError as problem:
        if not target.exists():
            raise
        raise UserError(f"{target} is in the way, and is no prepared data set: remove it.") from problem
    return target
