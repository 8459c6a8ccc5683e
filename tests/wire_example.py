# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the example of docs/WIRE.md: a server that registers its socket by the standard library alone.
# wire_example.py SPEC LABEL answers on port 7777, and on what SPEC says.
import os
import socket
import struct
import sys

VERSIONS = (2, 3)
REGISTER = 2


def register(listener, spec, label=b""):
    """None, or why it is not steered, in words."""
    path = os.environ.get("SKSTEER_SOCKET", "/run/sksteer/helper.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as helper:
        helper.settimeout(1)
        try:
            helper.connect(path)
            (version,) = struct.unpack_from("=H", helper.recv(8))
            if version not in VERSIONS:
                return "a helper of another version"
            head = struct.pack("=HHHHI20x16s64s16x", version, REGISTER, 0, 0, len(spec),
                               os.urandom(16), label)
            socket.send_fds(helper, [head, spec], [listener.fileno()])
            _, steered, error, text = struct.unpack("=HHi16x464s", helper.recv(488))
        except (OSError, struct.error) as silence:
            return f"no answer from the helper: {silence}"
    words = text.split(b"\0")[0].decode() or os.strerror(-error)
    return None if steered and not error else words


if __name__ == "__main__":
    with socket.create_server(("::", 7777), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print(register(server, sys.argv[1].encode(), sys.argv[2].encode()) or "steered", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.sendall(b"python %d\n" % client.getsockname()[1])
