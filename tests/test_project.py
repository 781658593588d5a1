"""Nothing that looks strict is off, and nothing the project says about itself is wrong."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import jax
import pytest
import yaml
from quick_compile import quick_compile
from snippets import run, snippets
from typer.main import get_command
from typer.testing import CliRunner

from stradiff.cli.app import app

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


CONFIG = tomllib.loads(read("pyproject.toml"))
PROJECT, TOOLS, EXTRAS = CONFIG["project"], CONFIG["tool"], CONFIG["project"]["optional-dependencies"]
MAKEFILE, README, CI = read("Makefile"), read("README.md"), read(".ci/run")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES += sorted(f"{path.parent.name}/{path.name}" for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("research/*.md")])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Written as patterns, so that this file does not hold what it looks for.
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|anaconda\.org|npmjs\.|docker\.io|ghcr\.io|crates\.io")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|tmp|mnt|opt)/\w")


def git_files(*options: str) -> list[str]:
    """Names of files as git sees them; skips where git cannot say, as in an unpacked sdist."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git is needed to separate the project's own files from others")
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", *options]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listing.split("\0") if (ROOT / name).is_file()]


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def command_lines(text: str) -> list[str]:
    """Shell lines in code blocks, and the inline code that starts like one of our commands."""
    blocks = [body for language, body in FENCE.findall(text) if language in ("console", "bash", "sh")]
    lines = [line.removeprefix("$ ") for body in blocks for line in body.splitlines()]
    inline = re.findall(
        r"`((?:(?:make|stradiff|pip install) |python (?:research|examples)/)[^`]*)`", FENCE.sub("", text)
    )
    return [line for line in [*lines, *inline] if line.strip() and not line.startswith("#")]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def check_make(words: list[str]) -> None:
    settings = set(re.findall(r"^([A-Z_]+) =", MAKEFILE, re.MULTILINE))
    for word in words:
        name, is_setting, _ = word.partition("=")
        assert name in (settings if is_setting else makefile_targets()), f"the Makefile has no {name}"


def check_stradiff(words: list[str]) -> None:
    """Follow the words into the command line: sub-commands and options must exist, and help must open."""
    command, path = get_command(app), []
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, f"no sub-command {' '.join([*path, words[0]])}"
        command, path, words = command.commands[words[0]], [*path, words[0]], words[1:]
    known = {"--help"}.union(*({*option.opts, *option.secondary_opts} for option in command.params))
    unknown = {word.split("=")[0] for word in words if word.startswith("-")} - known
    assert not unknown, f"stradiff {' '.join(path)} has no {unknown}"
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", words[1])
    assert extras, f"pip installs something else than this project: {words[1]}"
    assert set(filter(None, (extras[1] or "").split(","))) <= {*EXTRAS}


def check_python(words: list[str]) -> None:
    """A script of the project, and options that it or a module beside it declares."""
    script = ROOT / words[0]
    assert script.is_file(), f"there is no {words[0]}"
    declared = "".join(path.read_text(encoding="utf-8") for path in script.parent.glob("*.py"))
    unknown = [word for word in words[1:] if word.startswith("--") and f'"{word}"' not in declared]
    assert not unknown, f"{words[0]} has no {unknown}"


CHECKS = {
    "make": check_make,
    "stradiff": check_stradiff,
    "pip": check_pip,
    "python": check_python,
    ".ci/run": lambda words: None,
}


def check_line(line: str) -> None:
    name, *words = shlex.split(line, comments=True)
    assert name in CHECKS, f"no check of the command: {line}"
    CHECKS[name](words)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_pages_exist(page):
    for line in command_lines(read(page)):
        check_line(line)


def test_commands_of_the_integration_script_exist():
    lines = re.findall(r"^\s*(?:make|stradiff) .*$", CI, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        check_line(line)
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_python_in_the_readme_runs(tmp_path, monkeypatch):
    (block,) = snippets("README.md")
    # selecting priors takes most of the time, and tests/initialise has it
    shorter = {"max_epochs=10_000": "max_epochs=2", "load_gait().values": "load_gait().values[:400]", '"auto"': '"rbf"'}
    short = block
    for usual, small in shorter.items():
        assert short.count(usual) == 1
        short = short.replace(usual, small)
    monkeypatch.chdir(tmp_path)
    with quick_compile(), run(short, "readme"):
        pass
    assert (tmp_path / "fit.stradiff").exists()


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(read(page))):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"dead link: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"dead anchor: {target}"


def test_configured_paths_exist():
    ruff, pytest_options = TOOLS["ruff"]["lint"], TOOLS["pytest"]["ini_options"]
    globs = [*ruff["per-file-ignores"], *TOOLS["mypy"]["files"], *pytest_options["testpaths"]]
    globs += [*pytest_options["pythonpath"], *TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"]]
    globs += [PROJECT["readme"], *PROJECT["license-files"]]
    assert not [name for name in globs if not any(ROOT.glob(name.removesuffix("/**")))]
    used = re.findall(r"(?<=\s)(?:research|examples|docs|tests|src)/[\w/.]+", MAKEFILE)
    assert used and not [name for name in used if not (ROOT / name).exists()]


def test_makefile_is_whole():
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())
    assert phony == makefile_targets()
    extras = re.findall(r"^EXTRAS_\w+ := \[(\w+)\]$", MAKEFILE, re.MULTILINE)
    assert extras and set(extras) <= {*EXTRAS}
    stamps = set(re.findall(r"\.installed-(\w+)", MAKEFILE))
    assert stamps == set(re.findall(r"^EXTRAS_(\w+)", MAKEFILE, re.MULTILINE))


def test_commit_hooks_call_existing_targets():
    repositories = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    entries = [hook["entry"] for repository in repositories for hook in repository["hooks"]]
    assert entries
    for entry in entries:
        check_line(entry)


def test_python_versions_agree():
    lowest = PROJECT["requires-python"].removeprefix(">=")
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tried = re.findall(r"python(3\.\d+)", re.search(r"^CANDIDATES := (.*)$", MAKEFILE, re.MULTILINE)[1])
    assert min(classified, key=lambda name: int(name[2:])) == lowest
    assert sorted(tried) == sorted(classified)
    assert TOOLS["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    assert f"({lowest.replace('.', ', ')})" in MAKEFILE


def test_one_version_everywhere():
    citation = yaml.safe_load(read("CITATION.cff"))
    newest = re.search(r"^## (\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)[1]
    assert {version("stradiff"), str(citation["version"]), newest} == {PROJECT["version"]}
    assert PROJECT["version"] in CliRunner().invoke(app, ["--version"]).output
    assert citation["license"] == PROJECT["license"]
    assert citation["preferred-citation"]["url"] == PROJECT["urls"]["Paper"]
    assert citation["preferred-citation"]["title"] in re.sub(r"\n> ", " ", README)


def test_no_registry_and_no_path_of_one_machine():
    names = git_files()
    assert "pyproject.toml" in names
    for name in names:
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        assert not [*REGISTRY.findall(text), *MACHINE_PATH.findall(text)], name


def test_no_file_of_the_package_is_ignored():
    # The build leaves out what git ignores, so an ignored data file would be missing in the wheel.
    ignored = git_files("--others", "--ignored", "--exclude-standard", "src")
    assert not [name for name in ignored if not re.search(r"/__pycache__/|/\.\w+_cache/", name)]


def distribution(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def imported_distributions() -> tuple[set[str], set[str]]:
    """Distributions imported when a module loads, and those imported inside a function or a condition."""
    providers = packages_distributions()
    at_once, later = set(), set()
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            tops = {name.split(".")[0] for name in names} - {*sys.stdlib_module_names, "stradiff"}
            names = {distribution(providers.get(top, [top])[0]) for top in tops}
            (at_once if node in tree.body else later).update(names)
    return at_once, later


def test_imports_are_declared_and_dependencies_used():
    needed = {distribution(entry) for entry in PROJECT["dependencies"]}
    optional = {distribution(entry) for entry in EXTRAS["baselines"] + EXTRAS["cluster"]}
    at_once, later = imported_distributions()
    assert at_once <= needed
    assert later <= needed | optional
    assert needed <= at_once | later


def test_every_dependency_is_listed_with_its_reason():
    rows = re.findall(r"^\| ([\w, -]+) \| \w.* \|$", read("SECURITY.md"), re.MULTILINE)
    listed = {name for row in rows for name in row.split(", ")} - {"library"}
    assert listed == {distribution(entry) for entry in PROJECT["dependencies"]}


def test_strictness_is_on(pytestconfig):
    assert pytestconfig.getini("filterwarnings")[0] == "error"
    assert pytestconfig.getini("xfail_strict")
    assert pytestconfig.option.strict_markers and pytestconfig.option.strict_config
    assert jax.config.jax_numpy_rank_promotion == "raise"
    assert jax.config.jax_compilation_cache_dir == os.environ["STRADIFF_TEST_CACHE"]
    assert not jax.config.jax_enable_x64, "float64 is switched on only where it is needed"
    hooked = type(sys.modules["stradiff"].__spec__.loader).__module__
    assert hooked.startswith("jaxtyping"), "shapes go unchecked"
