"""Are pictures in folders compared from end to end?"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import normzoo
from normzoo.experiment.executor.in_process import InProcessExecutor

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def write_photos(folder: Path) -> Path:
    """Write twenty pictures of each colour, as PNG and JPEG, upright and across, and one that is no picture."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(20):
            shape = (12, 16, 3) if index % 3 else (16, 12, 3)
            pixels = np.clip(random.normal(colour, 40, shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.{'png' if index % 2 else 'jpg'}")
    (folder / "red" / "broken.jpg").write_text("<html>", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_pictures_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done to them stands in the report; the second time nothing is decoded and nothing trained."""
    monkeypatch.setenv("NORMZOO_CACHE", str(tmp_path / "cache"))
    photos = write_photos(tmp_path / "photos")

    def compare(options: str) -> normzoo.Comparison:
        return normzoo.compare(
            templates="cnn:hidden=8,widths=4",
            norms=["batch", "none"],
            batch_sizes=[8],
            dataset=f"folder:{photos}:{options}",
            augment="flip,crop:1",
            seeds=2,
            epochs=3,
            store=tmp_path / "runs.sqlite",
            executor=InProcessExecutor(),
            progress=False,
        )

    with pytest.raises(
        normzoo.UsageError, match=r"1 of 61 pictures cannot be read: red/broken\.jpg \(no picture in the"
    ):
        compare("size=8")
    first = compare("size=8,corrupt=skip")
    assert {record.status.value for record in first.records.values()} == {"ok"}
    assert max(record.test_value or 0 for record in first.records.values()) > 0.6
    for record in first.records.values():
        assert record.data[0].startswith("images of shape (3, 8, 8), standardized per channel")
        assert record.data[1:3] == (
            "all of 60 pictures: resized to 8 x 8 pixels",
            "all of 60 pictures: cut to their middle, as their width and height are in another proportion",
        )
        assert "classes by their labels: 0 = blue, 1 = green, 2 = red" in record.data
    (entry,) = (tmp_path / "cache" / "samples").glob("*.npy")
    before = entry.stat().st_mtime_ns
    assert compare("size=8,corrupt=skip").records == first.records
    assert entry.stat().st_mtime_ns == before
    (report,) = (each for each in first.report(tmp_path / "report.md") if each.suffix == ".md")
    text = report.read_text(encoding="utf-8")
    assert "folder:photos:corrupt=skip,size=8" in text
    assert "1 of 61 pictures are left out, as they cannot be read: red/broken.jpg" in text
