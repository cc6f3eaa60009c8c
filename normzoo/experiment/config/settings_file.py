"""A file of settings, in YAML. Torch-free."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from normzoo.errors import ConfigError
from normzoo.experiment.config.values import shown


class _SettingsLoader(yaml.SafeLoader):
    """Reads plain values, each said once.

    An alias, by which a few lines can stand for any number of them, is refused, and so is a key that comes again, of
    which YAML's own loader takes the last.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it uses an alias (*name); write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        times = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in times.items():
            if count > 1:
                raise yaml.YAMLError(f"it says {key} {count} times; say it once")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        ConfigError: the file is missing, empty, malformed, or no mapping of keys to values.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _SettingsLoader)  # noqa: S506  # a SafeLoader
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8; save it as that") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply; settings are key: value, with lists at most") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # what the parser fails with
        raise ConfigError(f"{path}: is not valid YAML: {_problem(error)}") from error
    if content is None:
        raise ConfigError(f"{path}: is empty; write settings as key: value, for example `batch_sizes: [2, 8, 32]`")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected settings as key: value, got a {type(content).__name__}")
    return content


def _problem(error: Exception) -> str:
    """Return what a parser says is wrong, with the line where it knows that."""
    mark = getattr(error, "problem_mark", None)
    text = shown(" ".join(str(getattr(error, "problem", None) or error).split()))
    return text if mark is None else f"{text} (line {mark.line + 1})"
