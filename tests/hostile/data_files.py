"""Data files that are damaged, lie, or hold what is no data: good ones of every format, and what is done to them."""

import io
import random
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from data.fakes import mnist_files
from PIL import Image

from .array_files import ROWS, lying, npz, odd_archive, odd_array
from .stores import ESCAPES

WORDS = [
    "",
    " ",
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "9" * 400,
    "x",
    "?",
    "None",
    "1,5",
    '"',
    '"a',
    "\0",
    "٣",
    "0x1F",
    "1_0",
]
WORDS += [ESCAPES, "a" * 10_000, "grün", "=1+1", "2020-01-01", "\r", "true", "-0", "1e-320", "{}", ":", "#", "@data"]


def csv(folder: Path) -> Path:
    rows = [f"{number},{number % 7}.5,{'ab'[number % 2]},{'xyz'[number % 3]}" for number in range(ROWS)]
    (folder / "a.csv").write_text("\n".join(["id,size,colour,kind", *rows]) + "\n")
    return folder / "a.csv"


def columns() -> dict[str, Any]:
    """Return the columns of a good table."""
    return {"size": [each % 7 + 0.5 for each in range(ROWS)], "kind": ["xyz"[each % 3] for each in range(ROWS)]}


def parquet(folder: Path, changed: Mapping[str, Any] | None = None) -> Path:
    pq.write_table(pa.table({**columns(), **(changed or {})}), folder / "a.parquet")
    return folder / "a.parquet"


def ts(folder: Path) -> Path:
    header = "@problemName a\n@timeStamps false\n@univariate true\n@classLabel true x y z\n@data\n"
    for part in ("TRAIN", "TEST"):
        cases = [f"{number}.5,{number % 3},2.5:{'xyz'[number % 3]}" for number in range(ROWS)]
        (folder / f"a_{part}.ts").write_text(header + "\n".join(cases) + "\n")
    return folder / "a_TRAIN.ts"


def text(folder: Path) -> Path:
    (folder / "a.txt").write_text("".join(chr(97 + number * number % 26) for number in range(3000)))
    return folder / "a.txt"


def pictures(folder: Path) -> Path:
    values = np.random.default_rng(0)
    for label in "xyz":
        (folder / "a" / label).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(values.integers(0, 256, (6, 5, 3), np.uint8)).save(folder / "a" / label / f"{number}.png")
    return folder / "a"


def idx(folder: Path) -> Path:
    """Write the files of a small MNIST, and return that of the training images."""
    for name, content in mnist_files().items():
        path = folder / "data" / "MNIST" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return next((folder / "data").rglob("train-images*"))


def odd_cells(folder: Path, chance: random.Random) -> str:
    """Put odd words into the cells of a table."""
    path = csv(folder)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(chance.choice([1, 2, 40])):
        row = chance.choice(chance.choice([rows, rows[:1], rows[1:]]))
        row[chance.randrange(len(row))] = chance.choice(WORDS)
    rows = chance.choice([rows] * 6 + [rows[:1], rows[:2], [row * 3000 for row in rows], [row[:1] for row in rows]])
    sign = chance.choice([",", ",", ",", ";", "\t"])
    content = "\n".join(sign.join(row) for row in rows).encode(chance.choice(["utf-8", "utf-8", "utf-16", "utf-8-sig"]))
    path.write_bytes(content)
    options = ["", "", ":target=size", ":target=nobody", ":drop=id", ":drop=id+size+colour", ":missing=median"]
    return f"csv:{path}{chance.choice([*options, ':sep=semicolon', ':decimal=comma', f':test={path}', ':sep=x'])}"


def odd_columns(folder: Path, chance: random.Random) -> str:
    """Give a table columns of odd types."""
    some = [each % 7 for each in range(ROWS)]
    odd: list[Any] = [
        pa.array([[1, 2]] * ROWS),
        pa.array([{"a": 1}] * ROWS),
        pa.array([None] * ROWS),
        pa.array([b"\xff\0"] * ROWS),
        pa.array(some, pa.date32()),
        pa.array(some, pa.timestamp("ns", tz="UTC")),
        pa.array(some, pa.duration("s")),
        pa.array(some).cast(pa.decimal128(38, 10)),
        pa.array([2**64 - 1 - each for each in some], pa.uint64()),
        pa.array([each % 2 == 0 for each in some]),
        pa.array([float("nan"), float("inf"), 1e308, -1e308] * (ROWS // 4)),
        pa.array([ESCAPES, "", "a" * 10_000, "x"] * (ROWS // 4)),
        pa.array(["a", None] * (ROWS // 2)).dictionary_encode(),
        pa.array(some, pa.float16()) if hasattr(pa, "float16") else pa.array(some),
        pa.array([1, None] * (ROWS // 2)),
        pa.array([0] * ROWS),
    ]
    name = chance.choice(["size", "kind", "", " ", ESCAPES, "a:b=c", "x" * 5000])
    return (
        f"parquet:{parquet(folder, {name: chance.choice(odd)})}{chance.choice(['', '', ':target=size', ':drop=kind'])}"
    )


def odd_cases(folder: Path, chance: random.Random) -> str:
    """Put odd words into the lines of sequences."""
    path = chance.choice([ts(folder), folder / "a_TEST.ts"])
    lines = path.read_text().splitlines()
    for _ in range(chance.choice([1, 2, 10])):
        at = chance.choice([chance.randrange(6), chance.randrange(len(lines))])
        line, word = lines[at], chance.choice(WORDS)
        lines[at] = chance.choice(
            [word, f"{word}:{word}", line.replace("2.5", word), line[:-1] + word, f"{line}:{word}", "@"]
        )
    path.write_text("\n".join(lines))
    return f"ts:{folder / 'a_TRAIN.ts'}"


def odd_text(folder: Path, chance: random.Random) -> str:
    path, good = text(folder), "abc " * 500
    content = chance.choice(
        ["", "a", "a" * 3000, good + "\0", good + "\ufffe" * 300, "\U0010ffff\n" * 900, ESCAPES * 90, good]
    )
    path.write_bytes(content.encode(chance.choice(["utf-8", "utf-16", "utf-32", "utf-8-sig"])))
    return f"text:{path}{chance.choice(['', ':length=10', ':length=0', ':length=999999999999', ':length=x'])}"


def odd_pictures(folder: Path, chance: random.Random) -> str:
    """Put into folders of pictures what is none, or none of these."""
    root = pictures(folder)
    good = (root / "x" / "0.png").read_bytes()
    modes = ["1", "L", "P", "CMYK", "I;16", "LA", "RGBA"]
    large = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 2**31 - 1, 2**31 - 1) + good[24:]
    where = (
        root
        / chance.choice(["x", "y"])
        / chance.choice(["0.png", "9.png", "9.jpg", "9.webp", "9.tif", ".9.png", "\udc80.png"])
    )
    match chance.randrange(9):
        case 0:
            where.write_bytes(
                chance.choice([b"", good[: chance.randrange(len(good))], large, b"%!PS\n(x) run", b"GIF89a", b"x" * 99])
            )
        case 1:
            content = bytearray(good)
            for _ in range(chance.choice([1, 5])):
                content[chance.randrange(8, len(content))] = chance.randrange(256)
            where.write_bytes(content)
        case 2:
            packed = io.BytesIO()
            mode = chance.choice(modes)
            Image.new(mode, chance.choice([(5, 6), (1, 1), (3000, 1)])).save(
                packed, "TIFF" if mode == "CMYK" else "PNG"
            )
            where.write_bytes(packed.getvalue())
        case 3:
            (root / chance.choice(["empty", ESCAPES.replace("\0", ""), "a" * 250, "test", "val", "train", " "])).mkdir()
        case 4:
            (root / "x" / "deep" / "er").mkdir(parents=True)
            shutil.move(root / "x" / "0.png", root / "x" / "deep" / "er" / "0.png")
        case 5:
            (root / chance.choice(["loop", "x/loop", "x/9.png"])).symlink_to(
                chance.choice([str(root), "nowhere", "9.png"])
            )
        case 6:
            shutil.move(root / "x" / "0.png", root / "0.png")
            (root / "x" / "9.png").mkdir()
        case 7:
            for label in chance.choice(["xyz", "xy", "x"]):
                shutil.rmtree(root / label)
        case _:
            for path in root.rglob("*.png"):
                path.write_bytes(good)
    options = [
        "",
        "",
        ":size=8",
        ":size=0",
        ":size=999999999",
        ":size=x",
        ":channels=1",
        ":channels=2",
        ":corrupt=skip",
    ]
    return f"folder:{root}{chance.choice(options)}"


def odd_idx(folder: Path, chance: random.Random) -> str:
    """Have the files of MNIST say what is not so."""
    idx(folder)
    path = chance.choice([each for each in (folder / "data").rglob("*") if each.is_file()])
    content = bytearray(path.read_bytes())
    content[chance.randrange(16)] = chance.choice([0, 1, 9, 13, 127, 255])
    path.write_bytes(content[: chance.choice([len(content)] * 3 + [0, chance.randrange(len(content))])])
    return "mnist"


FORMATS: dict[str, Callable[[Path], Path]] = {
    "npz": npz,
    "csv": csv,
    "parquet": parquet,
    "ts": ts,
    "text": text,
    "folder": lambda folder: next(pictures(folder).rglob("*.png")),
    "mnist": idx,
}


def damaged(folder: Path, chance: random.Random) -> str:
    """Change, cut or replace the bytes of a file, or the file."""
    name = chance.choice([*FORMATS, "npz", "parquet"])
    path = FORMATS[name](folder)
    content = bytearray(path.read_bytes())
    match chance.randrange(8):
        case 0 | 1:
            for _ in range(chance.choice([1, 10, 200])):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case 2 | 3:
            del content[chance.randrange(len(content)) :]
        case 4:
            content[:] = chance.randbytes(chance.choice([0, 1, 1000]))
        case 5:
            content[:] = chance.choice([bytes(1000), b"\xff" * 1000, content * 2, b"x" + content])
        case 6:
            other = FORMATS[chance.choice([each for each in FORMATS if each != name])](folder / "data")
            content[:] = other.read_bytes()
        case _:
            path.unlink()
            path.symlink_to(chance.choice([path.name, "/dev/full", "."]))
            return name if name == "mnist" else f"{name}:{folder / 'a' if name == 'folder' else path}"
    path.write_bytes(content)
    return name if name == "mnist" else f"{name}:{folder / 'a' if name == 'folder' else path}"


KINDS: list[Callable[[Path, random.Random], str]] = [
    *[odd_array] * 4,
    *[damaged] * 4,
    *[lying] * 2,
    *(odd_archive, odd_cells, odd_cells, odd_columns, odd_cases, odd_text, odd_pictures, odd_pictures, odd_idx),
]


def spoil(folder: Path, number: int) -> str:
    """Make data that has something wrong, the same for the same number, and return the dataset's spec."""
    (folder / "data").mkdir()
    chance = random.Random(number)
    return chance.choice(KINDS)(folder, chance)
