"""No test here reaches a network."""

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
