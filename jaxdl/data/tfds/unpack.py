"""Lets TFDS prepare a set without TensorFlow: archives are unpacked by Python, and a few methods are replaced."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdl.data.tfds.archives import Archive
from jaxdl.data.tfds.names import parsed
from jaxdl.data.tfds.prepare import quiet


class Unpacked:
    """A base that goes before TFDS's builder: its download manager unpacks archives without TensorFlow."""

    unpack_in: Path

    def _split_generators(self, dl_manager: Any) -> Any:
        return super()._split_generators(_Manager(dl_manager, self.unpack_in))  # type: ignore[misc]


def prepare_without_tensorflow(
    builder: Any, replaced: type, name: str, files: Mapping[Archive, Path], folder: Path
) -> tuple[Path, Any]:
    """Lets TFDS prepare a set, in array_record files.

    TFDS verifies size and SHA-256 of the archives, decides on names, splits and order, and writes the files.

    Args:
        builder: TFDS's builder class.
        replaced: a class with those of its methods that would call TensorFlow.
        name: TFDS's name of the set.
        files: where each archive is.
        folder: an empty folder to work in.

    Returns:
        A folder like TFDS's ``DATA_DIR``, below `folder`, that holds only the prepared set; and the builder's instance.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    manual, prepared, parts = folder / "manual", folder / "prepared", parsed(name)
    manual.mkdir()
    for archive, path in files.items():
        (manual / archive.file).symlink_to(path.resolve())
    # The name and module of the original, so that TFDS finds its checksums and writes the same description.
    namespace = {"name": builder.name, "__module__": builder.__module__, "unpack_in": folder / "unpacked"}
    namespace["pkg_dir_path"] = builder.pkg_dir_path
    with registered.skip_registration():
        without_tensorflow = type(builder)(builder.__name__, (replaced, builder), namespace)
    with quiet():
        instance = without_tensorflow(data_dir=prepared, config=parts.config or None, version=parts.version or None)
        instance.download_and_prepare(
            download_dir=folder / "downloads",
            download_config=tfds.download.DownloadConfig(manual_dir=manual, try_download_gcs=False),
            file_format="array_record",
        )
    return prepared, instance


class _Manager:
    """A download manager that unpacks by Python's own libraries; TFDS's would call TensorFlow."""

    def __init__(self, manager: Any, folder: Path):
        self._manager, self._folder = manager, folder

    def download(self, urls: Any) -> Any:
        return self._manager.download(urls)

    def download_and_extract(self, urls: Any) -> Any:
        return self.extract(self.download(urls))

    def extract(self, paths: Any) -> Any:
        if isinstance(paths, dict):
            return {key: self.extract(path) for key, path in paths.items()}
        if isinstance(paths, list | tuple):
            return [self.extract(path) for path in paths]
        path = Path(paths)
        target = self._folder / path.name
        if not target.exists():
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(target)
            else:
                with tarfile.open(path) as archive:
                    archive.extractall(target, filter="data")
        return target

    def iter_archive(self, path: Any) -> Iterator[tuple[str, Any]]:
        """Yields the names and open files of a tar archive in its order, as TFDS does."""
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name.removeprefix("./"), archive.extractfile(member)
