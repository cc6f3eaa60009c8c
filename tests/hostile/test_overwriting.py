"""Does a command ever write over a file that normzoo did not write? Over a store, never, whatever its name is."""

import errno
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from cli.in_process import call, fill
from report.synthetic import filled

from normzoo.errors import ConfigError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import Store
from normzoo.outputs import check_output, is_ours, marked, write_outputs

NOTES = "What I found out over three years.\n"
COMMANDS = {
    ".md": ("report", "--store", "s.sqlite", "-o", "{}", "--html"),
    ".tex": ("report", "--store", "s.sqlite", "-o", "{}"),
    ".csv": ("export", "--store", "s.sqlite", "-o", "{}"),
    ".json": ("export", "--store", "s.sqlite", "-o", "{}", "--kind", "summary"),
    ".parquet": ("export", "--store", "s.sqlite", "-o", "{}", "--kind", "epochs"),
    ".svg": ("explain", "batch", "--svg", "{}"),
}
"""What writes a file of a suffix."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a store of a small comparison."""
    monkeypatch.chdir(tmp_path)
    matrix = MatrixSpec(templates="cnn", norms="batch,none", batch_sizes="2", seeds=2)
    fill(tmp_path / "s.sqlite", *filled(matrix, lambda *_: 0.5).values())
    return tmp_path


def command(suffix: str, name: str) -> list[str]:
    return [word.format(name) for word in COMMANDS[suffix]]


def a_store(path: Path) -> None:
    Store(path).close()


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text TEXT)")
    database.close()


def a_link(path: Path) -> None:
    a_store(path.with_name("b.sqlite"))
    path.symlink_to("b.sqlite")


def a_hard_link(path: Path) -> None:
    a_store(path.with_name("b.sqlite"))
    path.hardlink_to(path.with_name("b.sqlite"))


def a_link_to_a_link(path: Path) -> None:
    a_link(path.with_name("link"))
    path.symlink_to("link")


def a_link_to_a_log(path: Path) -> None:
    a_store(path.with_name("b.sqlite"))
    path.with_name("b.sqlite-wal").touch()
    path.symlink_to("b.sqlite-wal")


def a_hard_link_to_a_log(path: Path) -> None:
    path.write_bytes(b"\x37\x7f\x06\x82" + bytes(100))


DATABASES: list[Callable[[Path], None]] = [
    another_database,
    a_link,
    a_hard_link,
    a_link_to_a_link,
    a_link_to_a_log,
    a_hard_link_to_a_log,
]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("suffix", "make"),
    [*((suffix, a_store) for suffix in COMMANDS), *((".csv", make) for make in DATABASES)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_database_is_never_overwritten(
    capsys: pytest.CaptureFixture[str], folder: Path, suffix: str, make: Callable[[Path], None]
) -> None:
    """Neither under its own name nor by a link to it, nor what belongs to it; also not if that is asked for."""
    make(folder / f"a{suffix}")
    before = (folder / f"a{suffix}").read_bytes()
    outcome = call(capsys, *command(suffix, f"a{suffix}"), "--force")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"'a{suffix}'" in outcome.stderr
    assert "database" in outcome.stderr
    assert outcome.stderr.endswith("is never overwritten; name another file\n")
    assert (folder / f"a{suffix}").read_bytes() == before


@pytest.mark.parametrize("name", ["s.sqlite", "s.sqlite-wal", "s.sqlite-shm", "s.sqlite-journal"])
def test_the_store_that_is_read_is_not_overwritten(capsys: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
    """Nor the files that SQLite keeps beside it, whether they are there or not."""
    before = (folder / "s.sqlite").read_bytes()
    outcome = call(capsys, "export", "--store", "s.sqlite", "--format", "csv", "-o", name, "--force")
    assert (outcome.code, (folder / "s.sqlite").read_bytes()) == (2, before)
    assert {path.name for path in folder.iterdir()} == {"s.sqlite"}


def test_a_report_does_not_take_the_place_of_a_store_to_be_made(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    outcome = call(capsys, "compare", "--store", "new.md", "--report", "new.md")
    assert outcome.stderr == "normzoo: error: report: 'new.md' is the store itself; name another file\n"
    assert not (folder / "new.md").exists()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("suffix", [pytest.param(".md", marks=pytest.mark.slow), *sorted(COMMANDS.keys() - {".md"})])
def test_what_a_user_wrote_is_overwritten_only_by_force(
    capsys: pytest.CaptureFixture[str], folder: Path, suffix: str
) -> None:
    """What normzoo wrote is, without a question: of a report, its pictures and its page, too."""
    path = folder / f"a{suffix}"
    path.write_text(NOTES)
    outcome = call(capsys, *command(suffix, path.name))
    assert outcome.code == 2
    assert f"'{path.name}' is there and was not written by normzoo; name another file" in outcome.stderr
    assert "--force" in outcome.stderr
    assert path.read_text() == NOTES
    assert call(capsys, *command(suffix, path.name), "--force").code == 0
    written = path.read_bytes()
    assert call(capsys, *command(suffix, path.name)).code == 0
    assert path.read_bytes() == written
    assert all(is_ours(path) for path in folder.iterdir() if path.name != "s.sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["a.html", "a-accuracy.png"])
def test_a_report_overwrites_nothing_beside_it_either(
    capsys: pytest.CaptureFixture[str], folder: Path, beside: str
) -> None:
    """Then none of its files is written."""
    (folder / beside).write_text(NOTES)
    outcome = call(capsys, *command(".md", "a.md"))
    assert outcome.code == 2
    assert f"'{beside}' is there and was not written by normzoo" in outcome.stderr
    assert {path.name for path in folder.iterdir()} == {"s.sqlite", beside}


@pytest.mark.parametrize(
    ("name", "content", "is_written_by_us"),
    [
        ("a.md", marked("# Norms\n", ".md"), True),
        ("a.md", marked("# Norms\n", ".md").replace(b"\n", b"\r\n"), True),
        ("a.md", marked("# Norms\n", ".md") + b"My own thoughts on this.\n", False),
        ("a.md", b"", True),
        ("a.md", b"# written by normzoo\n", False),
        ("a.md", b"key,status,template,norm,dataset\n", False),
        ("a.csv", b"key,status,template,norm,dataset\n", True),
        ("a.csv", b"key,value\n", False),
        ("a.csv", b"key\n", True),
        ("a.csv", b"key\n1\n", False),
        ("a.json", b"[\n\n]\n", True),
        ("a.json", b"[]", False),
        ("a.json", b'[\n{"key": "0"}\n]', False),
        ("a", b"key,status,template,norm,dataset\n", True),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), False),
        ("a.parquet", b"PAR1", False),
        ("a.parquet", b"PAR1\xff\xff\xff\xffPAR1", False),
    ],
)
def test_only_what_normzoo_wrote_is_its_own(tmp_path: Path, name: str, content: bytes, is_written_by_us: bool) -> None:
    """A report to which something was added is the user's."""
    (tmp_path / name).write_bytes(content)
    assert is_ours(tmp_path / name) is is_written_by_us


def test_a_full_disk_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing half written beside them."""
    old = {tmp_path / name: marked(name, ".md") for name in ("a.md", "b.md")}
    write_outputs(old, "report")
    real = Path.open

    def full(path: Path, mode: str = "r") -> IO[Any]:
        if mode == "xb" and len(list(tmp_path.iterdir())) > len(old):
            raise OSError(28, "No space left on device")
        return real(path, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ConfigError, match=r"^report: '.*' cannot be written: No space left on device$"):
        write_outputs(dict.fromkeys(old, b"new"), "report")
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_a_file_is_written_where_a_link_leads_and_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "real.md"
    write_outputs({target: marked("old", ".md")}, "report")
    target.chmod(0o640)
    (tmp_path / "a.md").symlink_to(target)
    write_outputs({tmp_path / "a.md": b"new"}, "report")
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o640)
    assert (tmp_path / "a.md").is_symlink()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_a_device_takes_what_it_is_given(device: str) -> None:
    """It is not replaced by a file."""
    if device == "/dev/full":
        with pytest.raises(ConfigError, match="No space left on device"):
            write_outputs({Path(device): b"x"}, "output")
    else:
        write_outputs({Path(device): b"x"}, "output")
    assert stat.S_ISCHR(Path(device).stat().st_mode)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "folder", "nowhere/a.md", "file/a.md"])
def test_what_can_be_no_file_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: ") as refused:
        check_output(tmp_path / name, "output")
    assert "\n" not in str(refused.value)


def test_where_nothing_can_be_written_it_is_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A medium that is only read refuses to remove what is not there, too."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ConfigError, match=r"a\.csv' cannot be written: Read-only file system"):
        write_outputs({tmp_path / "a.csv": b"x"}, "output")
