#!/usr/bin/env python3
"""Writes what the deployed functions and the console consist of as a CycloneDX 1.6 bill of materials.

Crates: what the functions are linked from, as Cargo.lock has it, for the two architectures that they are built for; what is only
needed to build or to test is left out. Packages of npm: what the page of the console is bundled from.

    .ci/sbom.py > fulcrum.cdx.json
"""

import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"]


def metadata(target: str) -> dict:
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def linked(found: dict, functions: set[str]) -> dict[str, set[str]]:
    """What each package that a function is linked from is linked from itself, by cargo's ids."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    macros = {
        package["id"]
        for package in found["packages"]
        if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    reached: dict[str, set[str]] = {}
    waiting = [package["id"] for package in found["packages"] if package["name"] in functions and package["source"] is None]
    while waiting:
        package = waiting.pop()
        if package in reached:
            continue
        normal = (dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"]))
        reached[package] = {dep for dep in normal if dep not in macros}
        waiting.extend(reached[package])
    return reached


def crates() -> tuple[list[dict], list[dict]]:
    functions = {path.parent.name for path in ROOT.glob("functions/*/Cargo.toml")}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    packages, graph = {}, {}
    for target in TARGETS:
        found = metadata(target)
        packages |= {package["id"]: package for package in found["packages"]}
        for package, needed in linked(found, functions).items():
            graph.setdefault(package, set()).update(needed)

    def reference(package_id: str) -> str:
        package = packages[package_id]
        return f"pkg:cargo/{package['name']}@{package['version']}"

    components = []
    for package_id in graph:
        package = packages[package_id]
        name, version = package["name"], package["version"]
        component = {"type": "library", "bom-ref": reference(package_id), "name": name, "version": version}
        if package["license"]:
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if package["source"] is None:
            component["type"] = "application" if name in functions else "library"
        else:
            component["purl"] = reference(package_id)
            component["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
        components.append(component)
    dependencies = [{"ref": reference(p), "dependsOn": sorted(map(reference, needed))} for p, needed in graph.items()]
    return components, dependencies


def npm_packages() -> list[dict]:
    components = []
    packages = json.loads((ROOT / "console/package-lock.json").read_text())["packages"]
    for place, package in packages.items():
        if not place or package.get("dev") or package.get("link"):
            continue
        name = place.rpartition("node_modules/")[2]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        component = {"type": "library", "bom-ref": purl, "purl": purl, "name": name, "version": package["version"]}
        if "license" in package:
            component["licenses"] = [{"expression": package["license"]}]
        components.append(component)
    return components


def main() -> None:
    components, dependencies = crates()
    components += npm_packages()
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "fulcrum", "name": "fulcrum"}},
        "components": sorted(components, key=lambda component: component["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda dependency: dependency["ref"]),
    }
    json.dump(bill, sys.stdout, indent=2)
    print()
    others = sum("purl" in component for component in components)
    print(f"{len(components)} components, {others} of them of others", file=sys.stderr)


if __name__ == "__main__":
    main()
