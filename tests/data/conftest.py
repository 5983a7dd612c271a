"""MNIST prepared once for all tests, small sets written by TFDS, and servers on the loopback interface."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxdl.data import Tfds
from jaxdl.data.tfds.archives import manual_dir

NAMES = tuple(f"{part}-{kind}.gz" for part in ("t10k", "train") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))


@pytest.fixture(scope="session")
def mnist_archives(real_data: Path) -> Path:
    """The folder of MNIST's four original archives."""
    return real_data / "mnist"


@pytest.fixture(scope="session")
def link_archives(mnist_archives: Path) -> Callable[..., Path]:
    """Puts links to MNIST's archives where the user of a data folder would put the archives; returns that folder."""

    def link(data_dir: Path, names: Sequence[str] = NAMES) -> Path:
        manual = manual_dir(data_dir)
        manual.mkdir(parents=True, exist_ok=True)
        for name in names:
            (manual / name).symlink_to(mnist_archives / name)
        return manual

    return link


@pytest.fixture(scope="session")
def prepared_mnist(link_archives: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which MNIST has been prepared from its original archives; tests leave it as it is."""
    data_dir = tmp_path_factory.mktemp("mnist")
    link_archives(data_dir)
    Tfds("mnist").load(data_dir, lambda line: None)
    return data_dir


Answer = Callable[[BaseHTTPRequestHandler], None]


class Servers:
    """Servers on the loopback interface; each method starts one and returns its base URL."""

    def __init__(self, closing: contextlib.ExitStack):
        self._closing = closing

    def start(self, answer: Answer) -> str:
        """Answers each GET request with a call of `answer`."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    answer(self)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._closing.callback(server.server_close)
        self._closing.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def content(self, content: bytes, announced: int | None = None) -> str:
        """Answers every request with the same bytes; `announced` is the length in the header if not their number."""
        return self.start(lambda request: _send(request, content, announced))

    def folder(self, folder: Path) -> str:
        """Serves the files of a folder, as a mirror of original archives does."""
        return self.start(lambda request: _send(request, (folder / request.path.rpartition("/")[2]).read_bytes()))

    def silent(self, content: bytes | None = None, announced: int = 1000) -> str:
        """Accepts connections and says nothing, or falls silent after `content`."""
        released = threading.Event()
        self._closing.callback(released.set)

        def answer(request: BaseHTTPRequestHandler) -> None:
            if content is not None:
                _send(request, content, announced)
                request.wfile.flush()
            released.wait()

        return self.start(answer)

    def none(self) -> str:
        """Returns a URL at which nothing listens."""
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
            return f"http://127.0.0.1:{server.server_port}"


def _send(request: BaseHTTPRequestHandler, content: bytes, announced: int | None = None) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content) if announced is None else announced))
    request.end_headers()
    request.wfile.write(content)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with contextlib.ExitStack() as closing:
        yield Servers(closing)


@pytest.fixture(scope="session")
def write_image_set() -> Callable[..., Path]:
    """Lets TFDS write a small set of random images, ``tiny/1.0.0``; returns its folder."""
    return _write_image_set


def _write_image_set(
    data_dir: Path,
    shapes: Sequence[tuple[int, int, int]],
    *,
    test: str = "test",
    unlabelled: str = "",
    exif: bytes = b"",
) -> Path:
    """Writes one example a shape in train, and one more a shape in `test`; labels are 0, 1, 2, 0, 1, ...

    Each image has the metadata `exif`. A split `unlabelled` has as many examples, whose labels are -1.
    """
    import tensorflow_datasets as tfds
    from PIL import Image
    from tensorflow_datasets.core import registered

    channels = shapes[0][2]

    with registered.skip_registration():

        class Tiny(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                image = tfds.features.Image(shape=(None, None, channels))
                label = tfds.features.ClassLabel(names=["cat", "dog", "owl"])
                features = tfds.features.FeaturesDict({"image": image, "label": label})
                return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

            def _split_generators(self, dl_manager):
                hidden = {unlabelled: self._generate_examples(2, labelled=False)} if unlabelled else {}
                return {"train": self._generate_examples(0), test: self._generate_examples(1), **hidden}

            def _generate_examples(self, seed, *, labelled=True):
                random = np.random.RandomState(seed)
                for key, shape in enumerate(shapes):
                    file = io.BytesIO()
                    pixels = random.randint(0, 256, shape).astype(np.uint8)
                    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(
                        file, "PNG", **({"exif": exif} if exif else {})
                    )
                    yield key, {"image": file.getvalue(), "label": key % 3 if labelled else -1}

    builder = Tiny(data_dir=data_dir)
    builder.download_and_prepare(file_format="array_record")
    return Path(builder.data_dir)


@pytest.fixture(scope="session")
def write_set() -> Callable[..., Path]:
    """Lets TFDS write a set of given features and examples, without TensorFlow; returns its folder."""
    return _write_set


def _write_set(
    data_dir: Path,
    features: Any,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    name: str = "own",
    version: str = "1.0.0",
    config: str = "",
    supervised: Any = None,
) -> Path:
    """Writes a set ``own/1.0.0``.

    Args:
        data_dir: the folder of all sets.
        features: TFDS's features by name.
        splits: the examples of each split.
        name: of the set.
        version: its version.
        config: its config, if it has one.
        supervised: TFDS's ``supervised_keys``.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    about = {"features": tfds.features.FeaturesDict(features), "supervised_keys": supervised}
    configs = [tfds.core.BuilderConfig(name=config, version=version)] if config else []

    def examples(self, split):
        yield from enumerate(splits[split])

    members = {
        "name": name,
        "VERSION": tfds.core.Version(version),
        "BUILDER_CONFIGS": configs,
        "_info": lambda self: tfds.core.DatasetInfo(builder=self, **about),
        "_split_generators": lambda self, manager: {split: self._generate_examples(split) for split in splits},
        "_generate_examples": examples,
        "__module__": __name__,
    }
    with registered.skip_registration():
        builder = type(tfds.core.GeneratorBasedBuilder)("Own", (tfds.core.GeneratorBasedBuilder,), members)
    made = builder(data_dir=data_dir, config=config or None)
    made.download_and_prepare(file_format="array_record")
    return Path(made.data_dir)
