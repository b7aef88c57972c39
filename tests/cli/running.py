"""The program under test, in a folder of its own. FRACTAL_PROGRAM is its path."""

import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

PROGRAM = os.environ["FRACTAL_PROGRAM"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 120
TYPING = 0.5
COMMANDS = ("init store get update delete search list link unlink neighbors path import export graph backup copy changes stats "
            "health verify repair maintain reembed erase bench demo shell completion version").split()


def environment(**more):
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    kept["PATH"] = f"{pathlib.Path(PROGRAM).parent}:{kept.get('PATH', '/usr/bin:/bin')}"
    return {**kept, "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm", **more}


def masked(text):
    """What differs from run to run replaced: times, ids, sizes of files, colours kept."""
    text = text.replace("\r\n", "\n")
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?", "<time>", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"\d+ kB", "<size>", text)
    return re.sub(r"sqlite [\d.]+, \S+", "<backend>", text)


class Done:
    def __init__(self, code, out, err=""):
        self.code, self.out, self.err = code, out, err


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fractal_cli_"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_it(self, *words, text=None, **more):
        done = subprocess.run([PROGRAM, *words], cwd=self.folder, input=text, capture_output=True, text=True,
                              env=environment(**more), timeout=LONGEST, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def good(self, *words, text=None, **more):
        done = self.run_it(*words, text=text, **more)
        self.assertEqual(done.code, 0, f"{words}: {done.out}{done.err}")
        return done.out

    def on_terminal(self, *words, columns=80, keys=(), until_prompt=(), **more):
        """Under a pseudo-terminal; keys are typed one by one, each after one of the prompts."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([PROGRAM, *words], cwd=self.folder, stdin=child, stdout=child, stderr=child,
                                   env=environment(**more), start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(child)
        out, waiting = b"", list(keys)
        seen = 0
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            prompts = sum(out.count(prompt) for prompt in until_prompt)
            if waiting and prompts > seen:
                seen = prompts
                time.sleep(TYPING)  # the line editor takes the terminal over after it has shown the prompt
                os.write(parent, waiting.pop(0))
            ready, _, _ = select.select([parent], [], [], 0.2)
            if not ready:
                if process.poll() is not None:
                    break
                continue
            try:
                read = os.read(parent, 1 << 16)
            except OSError:  # the other side is gone
                break
            if not read:
                break
            out += read
        os.close(parent)
        if process.poll() is None:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                self.fail(f"{words} does not end: {out[-2000:]!r}")
        return Done(process.returncode, out.decode())

    def household(self):
        """A small world for tests."""
        self.good("store", "1,1", "--text", "Ada likes green tea", "--importance", "2")
        self.good("store", "1,2", '{"text": "The refrigerator hums at night", "room": "kitchen", "year": 2024}')
        self.good("store", "1,3", '{"text": "On Tuesdays the gardener comes at nine", "year": 2026}')
        self.good("link", "1,1", "1,2", "--type", "near", "--strength", "0.5")
        self.good("link", "1,2", "1,3")
