"""What environment.yml asks for, in PyPI's names."""

from pathlib import Path

from packaging.requirements import Requirement
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
# The packages that the two name differently; all others have one name.
PYPI_NAMES = {"matplotlib-base": "matplotlib", "jupyter_server": "jupyter-server"}
TOOLS = {"python", "pip"}  # conda's environment has them from conda


def requirements(path: Path = ROOT / "environment.yml") -> list[Requirement]:
    """Return the packages of an environment.yml, without Python and pip themselves."""
    listed: list[str] = []
    for entry in YAML(typ="safe").load(path)["dependencies"]:
        listed += (
            entry["pip"] if isinstance(entry, dict) else [entry.replace("python=", "python==")]
        )
    found = [Requirement(entry) for entry in listed]
    for requirement in found:
        requirement.name = PYPI_NAMES.get(requirement.name, requirement.name)
    return [requirement for requirement in found if requirement.name not in TOOLS]
