"""packaging/: the service file, the Dockerfile and the compose file are well made, and fit the program and `dev`."""

import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from serving import PROGRAM, SOURCE, TOKEN, Server

SERVICE = SOURCE / "packaging/fractal.service"
DOCKERFILE = SOURCE / "packaging/Dockerfile"
COMPOSE = SOURCE / "packaging/docker-compose.yml"
HADOLINT = os.path.join(os.environ["FRACTAL_TEST_TOOLS"], "hadolint")
MOST_EXPOSURE = 13  # tenths, as systemd-analyze counts it: "OK"; it listens on the network, so 0 cannot be
NOBODY = 65534


def output(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def release():
    return dict(re.findall(r'^(\w+)="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE))


class Service(unittest.TestCase):
    def setUp(self):
        self.folder_object = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder_object.cleanup)
        self.folder = pathlib.Path(self.folder_object.name)
        self.folder.chmod(0o755)

    def settings(self, name):
        return re.findall(rf"^{name}=(.*)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)

    def test_systemd_understands_it(self):
        there = self.folder / "fractal.service"
        text = SERVICE.read_text(encoding="utf-8")
        self.assertIn("ExecStart=fractal ", text)
        there.write_text(text.replace("ExecStart=fractal ", f"ExecStart={PROGRAM} "), encoding="utf-8")
        verified = output("systemd-analyze", "verify", "--man=no", str(there))
        self.assertEqual((verified.returncode, verified.stdout + verified.stderr), (0, ""))

    def test_little_is_exposed(self):
        rated = output("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager", str(SERVICE))
        self.assertEqual(rated.returncode, 0, rated.stdout + rated.stderr)

    def test_the_program_takes_its_command_line(self):
        words = self.settings("ExecStart")[0].replace("%S", str(self.folder)).split()
        (self.folder / "fractal").mkdir()
        printed = output(PROGRAM, *words[1:], "--print-config", env={"PATH": os.environ["PATH"]})
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn(f'"db": "{self.folder}/fractal/memory.db"', printed.stdout)

    def test_wrong_settings_do_not_start_it_again_and_again(self):
        refused = output(PROGRAM, "--db", str(self.folder / "memory.db"), "serve", env={"PATH": os.environ["PATH"]})
        self.assertIn(str(refused.returncode), self.settings("RestartPreventExitStatus"))

    @unittest.skipUnless(shutil.which("strace") and output("strace", "-o", "/dev/null", "true").returncode == 0, "no ptrace here")
    def test_its_filters_let_the_server_work(self):
        """Every system call of a served, reloaded and stopped memory is allowed, and no memory is both written and run."""
        log = self.folder / "calls"
        program = self.folder / "traced"
        program.write_text(f'#!/bin/sh\nexec strace -f -qq -o {log} {PROGRAM} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        work = self.folder / "work"
        work.mkdir()
        if os.geteuid() == 0:
            for path in (self.folder, work):
                os.chown(path, NOBODY, NOBODY)
        environment = {"ASAN_OPTIONS": "detect_leaks=0", "FRACTAL_UNIX_SOCKET": str(work / "socket")}
        server = Server(str(work), environment=environment, program=str(program), user=NOBODY if os.geteuid() == 0 else None)
        for method, path, body in (("POST", "/memories", '{"coord": "1", "payload": {"text": "green tea"}}'),
                                   ("POST", "/memories/search", '{"query": "tea"}'), ("GET", "/health", None),
                                   ("DELETE", "/spaces?purge=true", None)):
            client = server.client()
            client.request(method, path, body=body, headers={"Authorization": f"Bearer {TOKEN}"})
            self.assertEqual(client.getresponse().status, 200, path)
            client.close()
        tracer = server.process.pid
        child = int(pathlib.Path(f"/proc/{tracer}/task/{tracer}/children").read_text(encoding="utf-8").split()[0])
        os.kill(child, signal.SIGHUP)
        os.kill(child, signal.SIGTERM)
        self.assertEqual(server.process.wait(60), 0)
        server.close()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        used = set(re.findall(r"^\d+ +(\w+)\(", "\n".join(lines), re.MULTILINE))
        self.assertIn("fdatasync", used)
        allowed = set()
        for line in self.settings("SystemCallFilter"):
            calls = set().union(*(calls_of(group) for group in line.lstrip("~").split()))
            allowed = allowed - calls if line.startswith("~") else allowed | calls
        # The first are always allowed.
        self.assertEqual(used - allowed - calls_of("@default"), set())
        bad = [line for line in lines if "PROT_WRITE|PROT_EXEC" in line or re.search(r"mprotect\(.*PROT_EXEC", line)]
        self.assertEqual(bad, [])


@functools.lru_cache(maxsize=None)
def calls_of(group):
    """The names of a group of system calls, with those of the groups in it."""
    if not group.startswith("@"):
        return {group}
    names = [line.strip() for line in output("systemd-analyze", "syscall-filter", group).stdout.splitlines()[1:]]
    return set().union(*(calls_of(name) for name in names if name and not name.startswith("#")))


class Image(unittest.TestCase):
    def setUp(self):
        self.text = DOCKERFILE.read_text(encoding="utf-8")
        self.build, self.run_stage = re.split("^FROM ", self.text, flags=re.MULTILINE)[1:]

    @staticmethod
    def packages(stage):
        listed = re.search(r"--no-install-recommends((?: |\\\n|[\w.+-])+)", stage).group(1)
        return listed.replace("\\\n", " ").split()

    def test_hadolint_finds_nothing(self):
        linted = output(HADOLINT, "--failure-threshold", "style", str(DOCKERFILE))
        self.assertEqual((linted.returncode, linted.stdout + linted.stderr), (0, ""))

    def test_what_it_builds_with_is_what_dev_builds_with(self):
        dev = (SOURCE / "dev").read_text(encoding="utf-8")
        known = set(re.search(r'^build_packages="([^"]*)"', dev, re.MULTILINE).group(1).split())
        # The component http alone needs curl; the command does without it. The other backends are options of the build.
        backends = {"libgrpc++-dev", "libhiredis-dev", "libpq-dev", "libprotobuf-dev", "protobuf-compiler", "protobuf-compiler-grpc"}
        self.assertEqual(set(self.packages(self.build)), known - {"libcurl4-openssl-dev"} | backends)

    def test_what_it_copies_is_not_ignored(self):
        ignored = (SOURCE / ".dockerignore").read_text(encoding="utf-8").split("\n")
        for copied in re.findall(r"^COPY (?!--from)(\S+) ", self.text, re.MULTILINE):
            self.assertTrue((SOURCE / copied).exists())
            self.assertNotIn(copied.split("/")[0], ignored)
        for folder in re.findall(r"add_subdirectory\(([\w/]+)\)", (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")):
            if folder.split("/")[0] not in ("bench", "tests"):  # those are options, and off
                self.assertNotIn(folder.split("/")[0], ignored)

    @unittest.skipUnless(release().get("VERSION_CODENAME") == "bookworm", "the image is a Debian 12")
    def test_the_libraries_of_the_program_are_installed(self):
        """Each comes from a package that the Dockerfile names, that one of these needs, or that every Debian has."""
        there = set(self.packages(self.run_stage))
        base = output("dpkg-query", "-W", "-f", "${Package} ${Essential} ${Priority}\n").stdout
        waiting = list(there) + [line.split()[0] for line in base.splitlines() if re.search(" (yes|required)", line)]
        while waiting:
            there.add(package := waiting.pop())
            depends = output("dpkg-query", "-W", "-f", "${Depends},${Pre-Depends}", package).stdout
            waiting += {name for name in re.findall(r"(?:^|[,|]) *([\w.+-]+)", depends)} - there
        for name, path in re.findall(r"(\S+) => (/\S+)", output("ldd", PROGRAM).stdout):
            if re.match("lib(asan|ubsan)", name):  # of this build alone
                continue
            owner = output("dpkg-query", "-S", os.path.realpath(path)).stdout or output("dpkg-query", "-S", path).stdout
            self.assertIn(owner.split(":")[0], there, path)
        for named in self.packages(self.run_stage):
            self.assertEqual(output("dpkg-query", "-W", "-f", "${db:Status-Status}", named).stdout, "installed", named)

    def test_its_settings_are_the_program_s(self):
        variables = dict(re.findall(r"(FRACTAL_\w+)=(\S+)", re.search(r"^ENV (.*)$", self.text, re.MULTILINE).group(1)))
        with tempfile.TemporaryDirectory() as folder:
            printed = output(PROGRAM, "serve", "--print-config", cwd=folder, env={"PATH": os.environ["PATH"], **variables}).stdout
        for name, value in variables.items():
            self.assertRegex(printed, f'"{name.removeprefix("FRACTAL_").lower()}": "?{re.escape(value)}"?,')
        self.assertIn(f"EXPOSE {variables['FRACTAL_PORT']}\n", self.text)
        self.assertIn(f"VOLUME {os.path.dirname(variables['FRACTAL_DB'])}\n", self.text)

    def test_the_health_check_tells(self):
        def healthy(port, **more):
            return output(str(SOURCE / "packaging/healthcheck"), env={"FRACTAL_PORT": str(port), **more}).returncode

        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder)
            self.assertEqual(healthy(server.port), 0)
            self.assertEqual(healthy(server.port, FRACTAL_TLS_CERT="x"), 0)
            server.stop()
            self.assertEqual(healthy(server.port), 1)
            self.assertEqual(healthy(server.port, FRACTAL_TLS_CERT="x"), 1)


class Compose(unittest.TestCase):
    """What `docker compose` would be given: read by PyYAML, for there is no Docker in tests."""

    def setUp(self):
        self.text = COMPOSE.read_text(encoding="utf-8")
        read = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
        python = os.path.join(os.environ["FRACTAL_TEST_TOOLS"], "python3")
        self.services = json.loads(subprocess.run([python, "-c", read], input=self.text, capture_output=True, text=True,
                                                  check=True).stdout)["services"]
        self.fractal, self.postgres, self.redis = (self.services[name] for name in ("fractal", "postgres", "redis"))

    def test_images_are_of_a_version(self):
        version = re.search(r'VERSION_STRING "([\d.]+)"', (SOURCE / "include/fractal/version.h").read_text(encoding="utf-8"))
        self.assertEqual(self.fractal["image"], f"fractal:{version.group(1)}")
        # pgvector 0.8 is the oldest that the index takes.
        tag = re.fullmatch(r"pgvector/pgvector:0\.(\d+)\.\d+-pg(\d+)", self.postgres["image"])
        self.assertGreaterEqual((int(tag.group(1)), int(tag.group(2))), (8, 12))
        self.assertGreaterEqual(int(re.fullmatch(r"redis:(\d+)\.\d+\.\d+", self.redis["image"]).group(1)), 6)

    def test_what_it_builds_is_there(self):
        context = (COMPOSE.parent / self.fractal["build"]["context"]).resolve()
        self.assertEqual(context, SOURCE.resolve())
        self.assertEqual((context / self.fractal["build"]["dockerfile"]).resolve(), DOCKERFILE.resolve())

    def test_no_secret_has_a_default(self):
        variables = re.findall(r"\$\{(\w+)([^}]*)\}", self.text)
        self.assertEqual({name for name, _ in variables}, {"POSTGRES_PASSWORD", "FRACTAL_API_TOKEN"})
        for name, rest in variables:
            self.assertTrue(rest.startswith(":?"), name)
        self.assertEqual(self.fractal["environment"]["PGPASSWORD"], self.postgres["environment"]["POSTGRES_PASSWORD"])

    def test_its_settings_are_the_program_s(self):
        settings = {name: re.sub(r"\$\{.*\}", "secret", value) for name, value in self.fractal["environment"].items()}
        with tempfile.TemporaryDirectory() as folder:
            printed = output(PROGRAM, "serve", "--print-config", cwd=folder, env={"PATH": os.environ["PATH"], **settings})
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn(f'"db": "{settings["FRACTAL_DB"]}"', printed.stdout)
        self.assertIn(f'"cache": "{settings["FRACTAL_CACHE"]}"', printed.stdout)
        self.assertEqual(settings["FRACTAL_CACHE"], "redis://redis:6379")
        self.assertIn("--maxmemory-policy volatile-lru", self.redis["command"])
        owner, host, port, database = re.fullmatch(r"postgres://(\w+)@(\w+):(\d+)/(\w+)", settings["FRACTAL_DB"]).groups()
        self.assertEqual((owner, database),
                         (self.postgres["environment"]["POSTGRES_USER"], self.postgres["environment"]["POSTGRES_DB"]))
        self.assertEqual((host, port), ("postgres", "5432"))
        self.assertIn(f"--username={owner}", self.postgres["healthcheck"]["test"])
        self.assertIn(f"--dbname={database}", self.postgres["healthcheck"]["test"])

    def test_only_this_machine_reaches_it(self):
        inside = re.search(r"^EXPOSE (\d+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE).group(1)
        self.assertEqual(self.fractal["ports"], [f"127.0.0.1:{inside}:{inside}"])
        self.assertNotIn("ports", self.postgres)
        self.assertNotIn("ports", self.redis)

    def test_the_server_waits_for_the_database_and_keeps_its_rows(self):
        self.assertEqual(self.fractal["depends_on"]["postgres"]["condition"], "service_healthy")
        self.assertIn("postgres:/var/lib/postgresql/data", self.postgres["volumes"])


if __name__ == "__main__":
    unittest.main()
