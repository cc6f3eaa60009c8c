"""The user's own pictures in folders: what is read, and what is refused."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from normzoo.data import folder as module
from normzoo.data import load_dataset
from normzoo.data.folder import load
from normzoo.errors import DataError, UsageError

from .fakes import files_in

NOT_DIVIDED = "without a folder test, a fifth of each class is the dataset's own test set, always the same pictures"


def write(
    folder: Path,
    *,
    classes: Sequence[str] = ("cat", "dog"),
    count: int = 5,
    shape: tuple[int, ...] = (6, 5, 3),
    ending: str = "png",
) -> Path:
    """Write so many pictures of noise for each class, all different."""
    random = np.random.default_rng(len(folder.name))
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.{ending}")
    return folder


def refusal(folder: Path, options: str = "") -> str:
    """Load, expect a refusal, and return its message without the path, which it must begin with."""
    with pytest.raises(DataError) as caught:
        load_dataset(f"folder:{folder}{options}")
    prefix = f"folder '{folder}': "
    message = str(caught.value)
    assert message.startswith(prefix)
    assert "\n" not in message
    return message.removeprefix(prefix).replace(str(folder), "FOLDER")


def test_parts_are_read_as_torchvision_reads_them(tmp_path: Path) -> None:
    """The same files in the same order, with the same classes and the same pixels."""
    for part in ("train", "val", "test"):
        write(tmp_path / part)
    (tmp_path / "train" / "cat" / "kittens").mkdir()
    shutil.copy(tmp_path / "train" / "cat" / "0.png", tmp_path / "train" / "cat" / "kittens" / "7.PNG")
    raw = load(argument=str(tmp_path), progress=lambda done, total: None)  # noqa: ARG005
    for part, x, y in (
        ("train", raw.x_train, raw.y_train),
        ("val", raw.x_val, raw.y_val),
        ("test", raw.x_test, raw.y_test),
    ):
        expected = ImageFolder(tmp_path / part)
        assert y is not None
        assert [expected.classes[target] for target in expected.targets] == y.tolist()
        np.testing.assert_array_equal(x, [np.asarray(image) for image, _ in expected])
        assert (x.dtype, type(x)) == (np.uint8, np.memmap)
    assert len(raw.x_train) == 11


def test_classes_are_numbered_by_their_names_and_shown(tmp_path: Path) -> None:
    dataset = load_dataset(f"folder:{write(tmp_path, classes=('dog', 'Bäume 木', 'cat'))}")
    assert dataset.notes[0] == NOT_DIVIDED
    assert "classes by their labels: 0 = Bäume 木, 1 = cat, 2 = dog" in dataset.notes
    assert (dataset.shape, dataset.outputs) == ((3, 6, 5), 3)


def test_a_fifth_is_held_out_class_by_class_and_always_the_same(tmp_path: Path) -> None:
    write(tmp_path, count=10)
    write(tmp_path, classes=("rare",), count=1)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert dataset.test.targets.tolist() == [0, 0, 1, 1]
    assert dataset.validation.targets.tolist() == [0, 1]
    assert sorted(dataset.train.targets.tolist()) == [0] * 7 + [1] * 7 + [2]
    assert torch.equal(load_dataset(f"folder:{tmp_path}").test.inputs, dataset.test.inputs)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("names", "lengths"),
    [
        (("train",), (8, 2)),
        (("train", "test"), (10, 10)),
        (("Training", "Testing"), (10, 10)),
        (("train", "valid", "test"), (10, 10)),
        (("train", "validation"), (8, 2)),
    ],
)
def test_parts_may_be_missing_and_are_called_what_they_often_are(
    names: Sequence[str], lengths: tuple[int, int], tmp_path: Path
) -> None:
    for name in names:
        write(tmp_path / name)
    raw = load(argument=str(tmp_path), progress=lambda done, total: None)  # noqa: ARG005
    assert raw.y_test is not None
    assert (len(raw.y_train), len(raw.y_test)) == lengths
    assert (raw.x_val is not None) == any(name.startswith("val") for name in names)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load_dataset(f"folder:{write(tmp_path, classes=('bus', 'train'))}").outputs == 2


def test_what_is_beside_the_parts_is_said_not_to_be_read(tmp_path: Path) -> None:
    for name in ("train", "test", "spare"):
        write(tmp_path / name)
    assert load_dataset(f"folder:{tmp_path}").notes[0] == "not read, as there is a folder train beside: 'spare'"


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """Those that systems and notebooks leave behind."""
    write(tmp_path)
    plain = load_dataset(f"folder:{tmp_path}")
    for name in (".DS_Store", "cat/.DS_Store", "cat/._0.png"):
        (tmp_path / name).write_text("")
    for name in (".cache", "cat/.ipynb_checkpoints"):
        shutil.copytree(tmp_path / "dog", tmp_path / name)
    assert load_dataset(f"folder:{tmp_path}").checksum == plain.checksum
    assert load_dataset(f"folder:{tmp_path}").notes == plain.notes


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    write(tmp_path)
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "0.png")
    for name in ("cat/a.gif", "dog/b.GIF", "LICENSE"):
        (tmp_path / name).write_text("")
    assert load_dataset(f"folder:{tmp_path}").notes[0] == (
        "files that are not read: .gif (2), pictures outside the folders of classes (1), without an ending (1)"
    )


def test_pictures_of_several_sizes_and_kinds_are_made_alike(tmp_path: Path) -> None:
    """And what was done to how many is said."""
    write(tmp_path, classes=("cat",), shape=(8, 8, 3))
    write(tmp_path, classes=("dog",), shape=(16, 8), ending="jpg")
    dataset = load_dataset(f"folder:{tmp_path}:size=4x8")
    assert dataset.shape == (3, 8, 4)
    assert dataset.notes[:3] == (
        "all of 10 pictures: resized to 4 x 8 pixels",
        "5 of 10 pictures: cut to their middle, as their width and height are in another proportion",
        "5 of 10 pictures: grayscale, and read as RGB",
    )
    assert load_dataset(f"folder:{tmp_path}:size=4,channels=1").shape == (1, 4, 4)


def test_grayscale_pictures_have_one_channel(tmp_path: Path) -> None:
    write(tmp_path, shape=(6, 5))
    assert load_dataset(f"folder:{tmp_path}").shape == (1, 6, 5)
    assert load_dataset(f"folder:{tmp_path}:channels=3").shape == (3, 6, 5)


@pytest.mark.slow
def test_what_was_decoded_is_not_decoded_again_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is new, gone, renamed or of another content, or another option; classes and parts follow files."""
    told: list[tuple[int, int]] = []

    def decoded(options: str = "") -> bool:
        told.clear()
        load_dataset(f"folder:{tmp_path}{options}", progress=lambda done, total: told.append((done, total)))
        return bool(told)

    write(tmp_path)
    assert decoded()
    assert told == [(done, 10) for done in range(1, 11)]
    assert not decoded()
    assert decoded(":size=3")
    assert not decoded()
    picture = tmp_path / "cat" / "0.png"
    times = picture.stat().st_atime_ns, picture.stat().st_mtime_ns
    content = picture.read_bytes()
    picture.write_bytes(content)
    os.utime(picture, ns=times)  # a change that does not show in its time
    assert decoded()
    picture.rename(tmp_path / "dog" / "9.png")
    assert decoded()
    (tmp_path / "dog" / "9.png").unlink()
    assert decoded()
    assert not decoded()
    monkeypatch.setattr(module, "_VERSION", 0)
    assert decoded()


def damage(folder: Path) -> Path:
    """Write pictures of which three cannot be read."""
    write(folder)
    (folder / "cat" / "a.png").write_bytes(b"")
    (folder / "cat" / "b.jpg").write_text("<html>")
    content = (folder / "dog" / "0.png").read_bytes()
    (folder / "dog" / "c.png").write_bytes(content[: len(content) // 2])
    (folder / "dog" / "d.png").symlink_to(folder / "nowhere")
    return folder


NAMED = (
    "cat/a.png (empty), cat/b.jpg (no picture in the format BMP, JPEG, PNG, PPM, TIFF or WEBP), "
    "dog/c.png (image file is truncated"
)


def test_files_that_cannot_be_read_are_named_and_counted(tmp_path: Path, cache: Path) -> None:
    message = refusal(damage(tmp_path))
    assert message.startswith(f"4 of 14 pictures cannot be read: {NAMED}")
    assert message.endswith("), ...; repair or remove what is damaged, or leave it out with corrupt=skip")
    assert not [name for name in files_in(cache) if not name.endswith(".lock")]


def test_files_that_cannot_be_read_are_left_out_if_asked_for_and_said_to_be(tmp_path: Path) -> None:
    dataset = load_dataset(f"folder:{damage(tmp_path)}:corrupt=skip")
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 10
    assert dataset.notes[0].startswith(f"4 of 14 pictures are left out, as they cannot be read: {NAMED}")
    again = load_dataset(f"folder:{tmp_path}:corrupt=skip")
    assert (again.checksum, again.notes) == (dataset.checksum, dataset.notes)


def test_with_what_is_left_out_labels_stay_with_their_pictures(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(4):
                path = tmp_path / part / name / f"{index}.png"
                Image.new("L", (2, 2), 100 * number + index).save(path)
            (tmp_path / part / name / f"{number}.png").write_text("")
    raw = load(argument=str(tmp_path), progress=lambda done, total: None, corrupt="skip")  # noqa: ARG005
    for x, y in ((raw.x_train, raw.y_train), (raw.x_test, raw.y_test)):
        assert y is not None
        assert x[:, 0, 0, 0].tolist() == [1, 2, 3, 100, 102, 103]
        assert y.tolist() == ["cat"] * 3 + ["dog"] * 3


def test_a_class_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path / part)
    for path in (tmp_path / "train" / "cat").iterdir():
        path.write_text("")
    assert refusal(tmp_path, ":corrupt=skip") == "none of the pictures of 'cat' can be read, of those for train"
    for path in tmp_path.glob("*/*/*.png"):
        path.write_text("")
    assert refusal(tmp_path, ":corrupt=skip") == (
        "none of its pictures can be read: test/cat/0.png (empty), test/cat/1.png (empty), test/cat/2.png (empty), ..."
    )


def test_a_test_set_may_lose_a_class_but_not_all(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path / part)
    for path in (tmp_path / "test" / "cat").iterdir():
        path.write_text("")
    assert load_dataset(f"folder:{tmp_path}:corrupt=skip").test.targets.tolist() == [1] * 5
    for path in (tmp_path / "test" / "dog").iterdir():
        path.write_text("")
    assert refusal(tmp_path, ":corrupt=skip") == "none of the pictures of 'cat', 'dog' can be read, of those for test"


def emptied(folder: Path) -> None:
    for name in ("cat", "dog"):
        shutil.rmtree(folder / name)


def replaced_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def only_pictures(folder: Path) -> None:
    shutil.copytree(folder / "cat", folder, dirs_exist_ok=True)
    emptied(folder)


def nested(folder: Path) -> None:
    emptied(folder)
    write(folder / "photos")


def without_train(folder: Path) -> None:
    emptied(folder)
    for name in ("test", "val"):
        write(folder / name)


def with_a_part_of_pictures(folder: Path) -> None:
    write(folder / "train")
    write(folder / "test")
    only_pictures(folder / "test")


def linked_in_a_circle(folder: Path) -> None:
    (folder / "cat" / "a").symlink_to(folder / "dog")
    (folder / "dog" / "b").symlink_to(folder / "cat")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "no such folder; check the path 'FOLDER'"),
    "file": (replaced_by_a_file, "it is a file; unpack it if it is an archive, and name the folder"),
    "empty": (emptied, "it is empty; it needs a folder of pictures for each class"),
    "only pictures": (
        only_pictures,
        "it holds 5 pictures and no folders; put the pictures of each class into a folder of their own",
    ),
    "a part of pictures": (
        with_a_part_of_pictures,
        "test: it holds 5 pictures and no folders; put the pictures of each class into a folder of their own",
    ),
    "an empty class": (
        lambda folder: (folder / "bird").mkdir(),
        "there is no picture (jpg, jpeg, png, ppm, bmp, pgm, tif, tiff, webp) in 'bird'; every folder is a class, so "
        "remove what is none",
    ),
    "one class": (
        lambda folder: shutil.rmtree(folder / "dog"),
        "it holds the one class 'cat'; at least 2 are needed to classify",
    ),
    "a folder in a folder": (
        nested,
        "it holds the one class 'photos'; at least 2 are needed to classify; if that one's folders are the classes, "
        "name it instead",
    ),
    "no train": (without_train, "it holds 'test', 'val', and no folder train"),
    "two validation parts": (
        lambda folder: [write(folder / name) for name in ("train", "val", "valid")],
        "'val' and 'valid' would both be its val part; remove one",
    ),
    "a class of the test part": (
        lambda folder: [write(folder / "train"), write(folder / "test", classes=("cat", "bird"))],
        "y_test holds the class 'bird', which y_train does not; remove those samples, or add their classes to the "
        "training split",
    ),
    "a link to itself": (
        lambda folder: (folder / "cat" / "a").symlink_to(folder),
        "the link 'FOLDER/cat/a' leads to a folder that holds it; remove it",
    ),
    "a link to far above": (
        lambda folder: (folder / "cat" / "a").symlink_to("/"),
        "the link 'FOLDER/cat/a' leads to a folder that holds it; remove it",
    ),
    "links in a circle": (linked_in_a_circle, "leads to a folder that holds it; remove it"),
    "several sizes": (
        lambda folder: write(folder, classes=("bird",), shape=(9, 10)),
        "its pictures have 2 different sizes, from 5 x 6 to 10 x 9 pixels; say which all are resized to, such as "
        "size=64",
    ),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_folder_of_classes_is_refused(case: str, tmp_path: Path) -> None:
    spoil, message = REFUSED[case]
    spoil(write(tmp_path / "pictures"))
    assert refusal(tmp_path / "pictures").endswith(message)


def test_more_folders_than_anybody_has_classes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CLASSES", 1)
    assert refusal(write(tmp_path)) == "it holds 2 folders, each of them a class; 1 are the most"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "cat").chmod(0)
    assert refusal(tmp_path) == "'FOLDER/cat' cannot be read (Permission denied)"


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "cat").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n"))
    assert r"classes by their labels: 0 = \udcff\n, 1 = dog" in load_dataset(f"folder:{tmp_path}").notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("size=0", "size must be pixels, or width x height, such as 64 or 64x48, got '0'"),
        ("size=-3", "size must be pixels, or width x height, such as 64 or 64x48, got '-3'"),
        ("size=8x", "size must be pixels, or width x height, such as 64 or 64x48, got '8x'"),
        ("size=1.5", "size must be pixels, or width x height, such as 64 or 64x48, got '1.5'"),
        ("channels=2", "channels must be 1 (grayscale) or 3 (RGB), got 2"),
        ("corrupt=keep", "corrupt must be one of refuse, skip, got 'keep'"),
        ("sise=8", "it has no option 'sise'; did you mean 'size'? (it takes: size, channels, corrupt)"),
    ],
)
def test_options_are_checked(options: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_dataset(f"folder:{write(tmp_path)}:{options}")
    assert str(caught.value).endswith(message)
