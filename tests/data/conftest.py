"""No test here reaches a network, or the cache folder of whoever runs it."""

from pathlib import Path

import pytest
import torchvision


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every download at a port on which nothing listens, so that no test can reach a network."""
    monkeypatch.setenv("no_proxy", "*")
    for name in ("MNIST", "FashionMNIST"):
        monkeypatch.setattr(getattr(torchvision.datasets, name), "mirrors", ["http://127.0.0.1:9/"])
    for name in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(getattr(torchvision.datasets, name), "url", "http://127.0.0.1:9/tiny.tar.gz")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NORMZOO_CACHE", str(folder))
    return folder
