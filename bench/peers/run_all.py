"""Every engine through every phase of measure.py and of `ours`: one JSON of what came out.

run_all.py OURS CORPUS RESULT [PACKAGE...]

Each phase is a process of its own; an engine that fails is in the result with its error. Syncs are counted by strace
over 20 inserts and 20 deletes. Engines take turns phase by phase, so that an hour's noise hits all."""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import engines

PHASES = ["build", "open_uncached", "open", "query", "insert", "binding"]
SYNCS = "fsync,fdatasync,msync,sync_file_range,syncfs"
LONGEST = 1800


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {LONGEST} s"}, ""
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"engine"')]
    if done.returncode != 0 or not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}, done.stderr
    return json.loads(lines[-1]), done.stderr


def bytes_of(folder):
    return sum(file.stat().st_blocks * 512 for file in pathlib.Path(folder).rglob("*") if file.is_file())


def forget_pages(folder):
    """The system's cache of these files is empty then."""
    os.sync()
    for file in pathlib.Path(folder).rglob("*"):
        if file.is_file():
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_pages(folder):
    for file in pathlib.Path(folder).rglob("*"):
        if file.is_file():
            file.read_bytes()


def count_syncs(command):
    with tempfile.NamedTemporaryFile("r") as trace:
        result, _ = run(["strace", "-f", "-qq", "-e", f"trace={SYNCS}", "-o", trace.name, *command])
        calls = len(re.findall(r"(?:fsync|fdatasync|msync|sync_file_range|syncfs)\(", trace.read()))
    return None if "error" in result else calls / (2 * result["inserts"])


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def main():
    ours, corpus, result_file, *chosen = sys.argv[1:]
    packages = chosen or list(engines.ALL)
    here = pathlib.Path(__file__).parent
    results = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as scratch:
        commands = {"": lambda phase, folder: [ours, phase, corpus, folder]}
        for package in packages:
            commands[package] = lambda phase, folder, package=package: [
                sys.executable, str(here / "measure.py"), package, phase, corpus, folder]
        for phase in PHASES:
            for package, command in commands.items():
                result = results.setdefault(package, {})
                folder = pathlib.Path(scratch) / (package or "ours") / ("binding" if phase == "binding" else "rows")
                folder.mkdir(parents=True, exist_ok=True)
                if phase != "build" and "error" in result.get("build", {}):
                    continue
                if phase == "open_uncached":
                    forget_pages(folder)
                if phase == "open":
                    read_pages(folder)
                result[phase], _ = run(command(phase.split("_")[0], str(folder)))
                if phase == "build":
                    result["disk_bytes"] = bytes_of(folder)
                if phase == "insert":
                    if not package:
                        result["commit"], _ = run(command("commit", str(folder)))
                    result["syncs_a_write"] = count_syncs(command("syncs", str(folder)))
                print(package or "ours", phase, json.dumps(result[phase])[:160], file=sys.stderr, flush=True)
                if phase == "binding":
                    shutil.rmtree(pathlib.Path(scratch) / (package or "ours"))
    pathlib.Path(result_file).write_text(
        json.dumps({"machine": machine(), "engines": list(results.values())}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
