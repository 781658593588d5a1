"""Print pip constraints that hold every direct dependency at its lower bound."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for entry in project["dependencies"]:
    name, bound = re.match(r"([\w.-]+)>=([\d.]+)", entry).groups()
    print(f"{name}=={bound}")
