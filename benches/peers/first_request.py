"""Prints how long a command takes from its start to the first byte of its first request, in ms, once for each run.

Usage: first_request.py RUNS COMMAND...   with {url} in the command for the address that this listens on.
"""

import socket
import subprocess
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


def once(listener, command):
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stream, _ = listener.accept()
    stream.recv(1)
    took = time.perf_counter() - begun
    stream.sendall(ANSWER)
    stream.close()
    if child.wait(timeout=30) != 0:
        raise SystemExit(f"{command} exited with {child.returncode}")
    return took * 1e3


def main():
    runs, command = int(sys.argv[1]), sys.argv[2:]
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [word.replace("{url}", url) for word in command]
    for _ in range(runs):
        print(f"{once(listener, command):.2f}")


main()
