"""Downloads through torchvision: from a web server on this machine, or from a port on which nothing listens."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torchvision

from normzoo.data import load_dataset
from normzoo.errors import DataError
from normzoo.registry import DATASETS

from .fakes import files_in, write_cifar, write_mnist

DOWNLOADED = [name for name, entry in DATASETS.items() if entry.folders]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A web server on this machine: the folder it serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_download_that_fails_is_one_line_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(name, root=tmp_path, download=True)
    message = str(caught.value)
    assert message.startswith(f"{name}: the download to '{tmp_path}' failed (")
    assert "refused" in message
    assert message.endswith("); try again later")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_arrives_altered_is_refused(
    tmp_path: Path, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = server
    write_cifar(folder, patch=monkeypatch).write_bytes(b"an error page")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", address + "tiny.tar.gz")
    with pytest.raises(DataError, match=r"^cifar10: the download to .* failed \(RuntimeError: File not found or corr"):
        load_dataset("cifar10", root=tmp_path / "data", download=True)
    assert files_in(tmp_path / "data") == set()


def test_a_download_fetches_only_what_is_missing_silently_and_only_once(
    tmp_path: Path, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, address = server
    root = tmp_path / "data"
    archives = write_mnist(root, packed=True, patch=monkeypatch)
    shutil.move(root / "MNIST" / "raw" / archives[0].path, folder)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [address])
    first = load_dataset("mnist", root=root, download=True)
    (folder / archives[0].path).unlink()
    assert load_dataset("mnist", root=root, download=True).checksum == first.checksum
    assert f"MNIST/raw/{archives[0].path}" in files_in(root)
    assert capfd.readouterr() == ("", "")


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataError, match=r"^cifar10: cannot write to the folder '.*data' \(FileExistsError"):
        load_dataset("cifar10", root=tmp_path / "data", download=True)
