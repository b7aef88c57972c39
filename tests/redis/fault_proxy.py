"""Between clients and a server's socket: passes on what both say, and breaks one request in `one_in` while `breaks`."""

import os
import random
import select
import socket
import threading
import time

FAULTS = ("delay", "reset_before", "reset_after", "cut_reply", "black_hole")


class FaultProxy:
    def __init__(self, server, path, one_in):
        self.server, self.path, self.one_in, self.breaks = server, path, one_in, False
        self.met = dict.fromkeys(FAULTS, 0)
        seed = int(os.environ.get("FRACTAL_SEED", random.randrange(1 << 30)))
        print(f"FRACTAL_SEED={seed}")
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(path)
        self.listening.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def fault(self):
        with self.lock:
            if not self.breaks or self.random.randrange(self.one_in):
                return None
            fault = self.random.choice(FAULTS)
            self.met[fault] += 1
            return fault

    def talk(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.server)
            cut = False
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is server:
                        client.sendall(data[:len(data) // 2] if cut else data)
                        if cut:
                            return
                        continue
                    fault = self.fault()
                    if fault == "delay":
                        time.sleep(self.random.uniform(0, 0.2))
                    elif fault == "reset_before":
                        return
                    elif fault == "black_hole":
                        while client.recv(65536):
                            pass
                        return
                    cut = fault == "cut_reply"
                    server.sendall(data)
                    if fault == "reset_after":
                        return
        except OSError:
            return
        finally:
            client.close()
            server.close()
