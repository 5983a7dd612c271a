from __future__ import annotations

import hashlib
import socket
import time

import pytest

from jaxdl.data.tfds.archives import Archive
from jaxdl.data.tfds.download import Limits, Unreachable, download, reach, url_of
from jaxdl.errors import UserError

CONTENT = bytes(range(256)) * 1000
SHORT = Limits(address_seconds=0.3, connect_seconds=0.8, silent_seconds=0.5)


def archive(content=CONTENT, file="train.gz", url="http://registered.invalid/train.gz"):
    return Archive(file, url, len(content), hashlib.sha256(content).hexdigest())


def fetch(folder, mirror, *archives, notify=lambda line: None, limits=SHORT):
    download(archives or [archive()], folder, mirror=mirror, notify=notify, limits=limits)


def test_whole_archives_arrive_byte_for_byte_with_progress(tmp_path, servers):
    source, target = tmp_path / "source", tmp_path / "target"
    contents = {"a.gz": CONTENT, "b.gz": CONTENT[:5000]}
    source.mkdir()
    target.mkdir()
    for file, content in contents.items():
        (source / file).write_bytes(content)
    lines: list[str] = []
    archives = [archive(content, file) for file, content in contents.items()]
    fetch(target, servers.folder(source), *archives, notify=lines.append)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == contents
    assert lines[0].startswith("Downloading: 0.")
    assert lines[-1] == "Downloading: 0.2 of 0.2 MiB (b.gz)"


def test_a_packed_answer_is_stored_as_it_was_sent(tmp_path, servers):
    def answer(request):
        assert request.headers["Accept-Encoding"] == "identity"
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.end_headers()
        request.wfile.write(CONTENT)

    fetch(tmp_path, servers.start(answer))
    assert (tmp_path / "train.gz").read_bytes() == CONTENT


def test_a_mirror_takes_the_place_of_the_registered_address():
    assert url_of(archive(), "") == "http://registered.invalid/train.gz"
    assert url_of(archive(), "https://host/below/") == "https://host/below/train.gz"


@pytest.mark.parametrize(
    ("content", "announced", "words"),
    [
        (CONTENT[:-1], None, "sent only 255,999 of the 256,000 bytes of train.gz"),
        (CONTENT[:1000], len(CONTENT), "sent only 1,000 of the 256,000 bytes of train.gz"),
        (b"", None, "sent only 0 of the 256,000 bytes of train.gz"),
        (CONTENT + b"!", None, "sent more than the 256,000 bytes of train.gz"),
        (b"!" + CONTENT[1:], None, f"instead of {hashlib.sha256(CONTENT).hexdigest()}"),
    ],
)
def test_what_is_not_the_original_is_an_error_of_one_line(tmp_path, servers, content, announced, words):
    url = servers.content(content, announced)
    with pytest.raises(UserError) as error:
        fetch(tmp_path, url)
    assert str(error.value).startswith(f"{url}/train.gz {words}" if "instead" not in words else f"{url}/train.gz sent")
    assert words in str(error.value)
    assert "Nothing was kept" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_status_is_told(tmp_path, servers, status):
    with pytest.raises(Unreachable, match=rf"train\.gz answered {status} "):
        fetch(tmp_path, servers.start(lambda request: request.send_error(status)))


def test_a_port_where_nothing_listens_is_told(tmp_path, servers):
    with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1 \(Connection refused\)"):
        fetch(tmp_path, servers.none())


def test_a_name_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(Unreachable, match=r"no connection to no-such-host\.invalid \("):
        fetch(tmp_path, "http://no-such-host.invalid", limits=Limits())


def test_a_server_that_never_answers_is_left_in_time(tmp_path, servers):
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 is silent: no answer within 0\.5 s"):
        fetch(tmp_path, servers.silent())
    assert 0.4 < time.monotonic() - start < 2


def test_a_server_that_stops_in_the_middle_is_left_in_time(tmp_path, servers):
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 fell silent for 0\.5 s in the middle of .*train\.gz"):
        fetch(tmp_path, servers.silent(CONTENT[:3000], announced=len(CONTENT)))
    assert 0.4 < time.monotonic() - start < 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [pytest.param(None, marks=pytest.mark.nightly), CONTENT[:3000]])
def test_a_silent_server_is_left_within_thirty_seconds(tmp_path, servers, content):
    start = time.monotonic()
    with pytest.raises(Unreachable, match="silent"):
        fetch(tmp_path, servers.silent(content, announced=len(CONTENT)), limits=Limits())
    assert time.monotonic() - start < 30


@pytest.fixture
def black_hole():
    """A port whose backlog is full: packets that ask for a connection get no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for caller in callers:
            caller.close()


def with_addresses(monkeypatch, count):
    """Makes every name have `count` addresses, all of them 127.0.0.1."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: resolve(*args, **kwargs) * count)


def test_a_host_with_many_addresses_that_swallow_packets_is_left_in_time(monkeypatch, black_hole):
    with_addresses(monkeypatch, 20)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1 \(timed out\)"):
        reach(f"http://127.0.0.1:{black_hole}", SHORT)
    assert 0.7 < time.monotonic() - start < 2


@pytest.mark.parametrize("limits", [SHORT, pytest.param(Limits(), marks=pytest.mark.slow)])
def test_a_name_service_that_never_answers_is_left_within_ten_seconds(monkeypatch, limits):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(20))
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"no connection to storage\.googleapis\.com \(timed out\)"):
        reach("https://storage.googleapis.com/cvdf-datasets/mnist/", limits)
    assert time.monotonic() - start < min(10, 3 * limits.connect_seconds)


@pytest.mark.slow
def test_a_missing_network_is_noticed_within_ten_seconds(monkeypatch, black_hole):
    with_addresses(monkeypatch, 20)
    start = time.monotonic()
    with pytest.raises(Unreachable):
        reach(f"http://127.0.0.1:{black_hole}", Limits())
    assert time.monotonic() - start < 10


def test_the_proxy_of_the_environment_is_used(tmp_path, servers, monkeypatch):
    asked = []

    def answer(request):
        asked.append(request.path)
        request.send_response(200)
        request.end_headers()
        request.wfile.write(CONTENT)

    monkeypatch.setenv("http_proxy", servers.start(answer))
    fetch(tmp_path, "http://archives.invalid/mnist")
    assert asked == ["http://archives.invalid/mnist/train.gz"]
    assert (tmp_path / "train.gz").read_bytes() == CONTENT
