"""The datasets, one entry each. ``npz:PATH`` reads the user's own arrays."""

from normzoo.registry._component import Entry, Registry

DATASETS = Registry(
    "dataset",
    {
        "digits": Entry(
            target="normzoo.data.digits:load",
            summary="1,797 handwritten digits, 8x8, 10 classes; comes with scikit-learn, no network needed",
            source="Alpaydin & Kaynak 1998 (UCI)",
        ),
        "mnist": Entry(
            target="normzoo.data.torchvision:load_mnist",
            summary="70,000 handwritten digits, 28x28, 10 classes; through torchvision",
            source="LeCun et al. 1998",
        ),
        "fashion-mnist": Entry(
            target="normzoo.data.torchvision:load_fashion_mnist",
            summary="70,000 pieces of clothing, 28x28, 10 classes; through torchvision",
            source="Xiao et al. 2017",
        ),
        "cifar10": Entry(
            target="normzoo.data.torchvision:load_cifar10",
            summary="60,000 colour photographs, 32x32, 10 classes; through torchvision",
            source="Krizhevsky 2009",
        ),
        "cifar100": Entry(
            target="normzoo.data.torchvision:load_cifar100",
            summary="60,000 colour photographs, 32x32, 100 classes; through torchvision",
            source="Krizhevsky 2009",
        ),
        "npz": Entry(
            target="normzoo.data.npz:load",
            argument="PATH",
            summary="your own x_train and x_test (N, H, W[, C]), y_train and y_test, in an .npz file",
            source="your own",
        ),
    },
    given=("root", "download", "argument"),
    own="npz:PATH or pkg.module:load",
)
"""The datasets by name.

``target`` is called as ``target(root=..., download=..., argument=..., **options)``, with those of the three that it
takes, and returns ``RawArrays``; ``argument`` is what follows the name, as the path in ``npz:PATH``.
"""
