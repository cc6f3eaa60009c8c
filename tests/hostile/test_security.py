"""Does what SECURITY.md calls data run no code?"""

import re
from pathlib import Path

import pytest

from normzoo.errors import ConfigError
from normzoo.experiment.config.resolve import resolve
from normzoo.report.page.html import to_html

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch PWNED']",
        "!!python/object/new:subprocess.Popen [['touch', 'PWNED']]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch PWNED']",
    ],
)
def test_a_configuration_makes_no_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.yaml").write_text(f"norms: {value}\n")
    with pytest.raises(ConfigError, match=r"^evil\.yaml: is not valid YAML: could not determine a constructor"):
        resolve([Path("evil.yaml")], [], {})
    assert not Path("PWNED").exists()


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[link](javascript:alert(1))",
        "![image](https://example.org/spy.png)",
        "<details><summary><script>alert(1)</script></summary>",
        "```\n</code></pre><script>alert(1)</script>\n```",
    ],
)
def test_a_page_runs_and_loads_nothing(evil: str) -> None:
    """Whatever its markdown says, and by its policy, too."""
    page = to_html(f"# Norms\n\n{evil}\n", images={})
    body = page.partition("<main>")[2]
    assert not re.search(r"<(script|img|iframe|object|link|base|form)\b|<[^>]+ (on\w+|href=\"javascript)", body)
    assert "default-src 'none'" in page


def test_what_is_said_to_be_tested_is_there() -> None:
    """Each file and folder that the page names."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.]+)`", text)
    assert len(named) == 4
    assert all((ROOT / name).exists() for name in named)
