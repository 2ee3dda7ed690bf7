"""Build hook: every wheel holds its own bill of materials (PEP 770, CycloneDX 1.6).

It lists what the package needs at run time, as it is declared: nothing is bundled, and which
versions meet the declaration is decided where it is installed. The same sources give the same
bytes: no time stamp, no serial number.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class BillOfMaterials(BuildHookInterface[Any]):
    """Writes the bill and has it put into `.dist-info/sboms/`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the bill of a wheel, from the same metadata as the wheel's own."""
        del version
        core = self.metadata.core
        text = bill(core.name, self.metadata.version, core.dependencies)
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, f"{core.name}.cdx.json")
        path.write_text(text, encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the file that the wheel has now."""
        del version, build_data, artifact_path
        self._folder.cleanup()


def bill(name: str, version: str, requirements: Sequence[str]) -> str:
    """Return the bill of a package with these requirements, as CycloneDX JSON."""
    own = {"type": "library", "name": name, "version": version}
    own["purl"] = own["bom-ref"] = f"pkg:pypi/{name}@{version}"
    needed = [_component(Requirement(text)) for text in sorted(requirements)]
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": needed,
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": [one["purl"] for one in needed]}],
    }
    return json.dumps(told, indent=1) + "\n"


def _component(requirement: Requirement) -> dict[str, Any]:
    name = canonicalize_name(requirement.name)
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}",
        "name": name,
        "purl": f"pkg:pypi/{name}",
        "scope": "required",
        "properties": [{"name": "requirement", "value": str(requirement)}],
    }
