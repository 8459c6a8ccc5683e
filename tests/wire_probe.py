#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns a client of the helper that says what no client of ours would: wire_probe.py SOCKET CASE...

Each case is a connection of its own and a line on stdout: "CASE: ERRNO text", "CASE: steered" or
"CASE: done" with the text if there is any, or "CASE: no answer". The cases stand below, each a
function; with the case "hoard N" it goes on for ever.
"""
import errno
import os
import select
import socket
import struct
import sys
import time

VERSION = 1
REQUEST = "=HHHHIHH16s16s64s16s"
CHECK, REGISTER, ATTEND, STATUS, BIND, UNBIND, UNLOAD = range(1, 8)
UDPLITE, SCTP, MPTCP = 136, 132, 262
NEVER = 60  # seconds; every answer comes long before

path = sys.argv[1]
cases = {}
kept = []  # what a case wants to stay open until its answer


def case(function):
    cases[function.__name__.replace("_", "-")] = function
    return function


def request(op=REGISTER, spec=b"8", **given):
    fields = {
        "version": VERSION,
        "op": op,
        "mode": 0,
        "weight": 0,
        "spec_len": len(spec),
        "family": 0,
        "port": 0,
        "addr": b"",
        "instance": os.urandom(16),
        "label": b"",
        "reserved": b"",
    }
    fields.update(given)
    return struct.pack(REQUEST, *fields.values()) + spec


def connect():
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    conn.settimeout(NEVER)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    conn.connect(path)
    return conn


def greet():
    conn = connect()
    assert conn.recv(64) == struct.pack("=H6x", VERSION)
    return conn


def receive(conn):
    try:
        record, fds, _, _ = socket.recv_fds(conn, 4096, 8)
    except ConnectionResetError:  # it hung up without reading all; the answer may be there still
        record, fds, _, _ = socket.recv_fds(conn, 4096, 8)
    for fd in fds:
        os.close(fd)
    if not record:
        return "no answer"
    version, steered, err, text = struct.unpack("=HHi480s", record)
    assert version == VERSION and steered in (0, not err) and text.endswith(b"\0")
    text = text.rstrip(b"\0").decode("ascii")
    assert text.isprintable(), text
    return f"{errno.errorcode[-err] if err else 'steered' if steered else 'done'} {text}".rstrip()


def ask(record, fds=()):
    conn = greet()
    with conn:
        socket.send_fds(conn, [record], [fd if isinstance(fd, int) else fd.fileno() for fd in fds])
        for fd in fds:  # the helper's is now the last one
            os.close(fd) if isinstance(fd, int) else fd.close()
        return receive(conn)


def listener(family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
    sock = socket.socket(family, kind, proto)
    sock.bind(("127.0.0.1", 0) if family == socket.AF_INET else ("::1", 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


# --- records -----------------------------------------------------------------------------------


@case
def nothing():
    return ask(b"")


@case
def one_byte():
    return ask(b"\1")


@case
def half_a_request():
    return ask(request()[:64])


@case
def a_byte_short():
    return ask(request(spec=b"")[:-1])


@case
def a_byte_long():
    return ask(request() + b"x", [listener()])


@case
def version_0():
    return ask(request(version=0), [listener()])


@case
def version_2():
    return ask(request(version=2), [listener()])


@case
def op_0():
    return ask(request(0))


@case
def op_8():
    return ask(request(8))


@case
def op_65535():
    return ask(request(65535))


@case
def mode_4():
    return ask(request(mode=4), [listener()])


@case
def weight_of_none():
    return ask(request(weight=1), [listener()])


@case
def join_without_weight():
    return ask(request(mode=2), [listener()])


@case
def register_with_address():
    return ask(request(family=socket.AF_INET, port=7777, addr=b"\x7f\0\0\1"), [listener()])


@case
def port_without_family():
    return ask(request(CHECK, port=7777), [socket.socket()])


@case
def address_of_another_family():
    return ask(request(CHECK, family=socket.AF_UNIX, port=7777), [socket.socket()])


@case
def address_beyond_ipv4():
    return ask(request(CHECK, family=socket.AF_INET, port=7777, addr=b"x" * 16), [socket.socket()])


@case
def reserved_bytes():
    return ask(request(reserved=b"\0" * 15 + b"x"), [listener()])


@case
def label_without_end():
    return ask(request(label=b"x" * 64), [listener()])


@case
def label_with_more_behind():
    return ask(request(label=b"web\0x"), [listener()])


@case
def spec_len_too_small():
    return ask(request(spec=b"8,88", spec_len=3), [listener()])


@case
def spec_len_too_large():
    return ask(request(spec=b"8,88", spec_len=5), [listener()])


@case
def spec_len_of_4g():
    return ask(request(spec=b"8,88", spec_len=0xFFFFFFFF), [listener()])


@case
def spec_of_16385():
    return ask(request(spec=b"8," * 8192 + b"8"), [listener()])


@case
def spec_of_64k():
    return ask(request(spec=b"8," * 32768), [listener()])


@case
def record_of_200k():
    return ask(b"x" * 200000, [listener()])


@case
def noise():
    return ask(os.urandom(4096), [listener()])


@case
def second_record():
    conn = greet()
    with conn, listener() as sock:
        socket.send_fds(conn, [request()], [sock.fileno()])
        try:
            socket.send_fds(conn, [request()], [sock.fileno()])
        except BrokenPipeError:  # hung up already
            pass
        return receive(conn)


@case
def before_the_greeting():
    conn = connect()
    with conn, listener() as sock:
        socket.send_fds(conn, [request()], [sock.fileno()])
        conn.recv(64)
        return receive(conn)


# --- descriptors -------------------------------------------------------------------------------


@case
def no_descriptor():
    return ask(request())


@case
def two_descriptors():
    return ask(request(), [listener(), listener()])


@case
def five_descriptors():
    return ask(request(), [listener() for _ in range(5)])


@case
def two_hundred_descriptors():
    return ask(request(), [os.open("/dev/null", os.O_RDONLY) for _ in range(200)])


@case
def file():
    return ask(request(), [os.open("/proc/self/exe", os.O_RDONLY)])


@case
def directory():
    return ask(request(), [os.open("/", os.O_RDONLY)])


@case
def path_only():
    return ask(request(), [os.open("/", os.O_PATH)])


@case
def device():
    return ask(request(), [os.open("/dev/null", os.O_RDWR)])


@case
def pipe():
    ends = os.pipe()
    return ask(request(), ends[:1])


@case
def epoll():
    with select.epoll() as poll:
        return ask(request(), [os.dup(poll.fileno())])


@case
def unix():
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("\0sksteer-wire-probe")
    sock.listen()
    return ask(request(), [sock])


@case
def itself():
    conn = greet()
    with conn:
        socket.send_fds(conn, [request()], [conn.fileno()])
        return receive(conn)


@case
def netlink():
    return ask(request(), [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)])


@case
def packet():
    return ask(request(), [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)])


@case
def raw():
    return ask(request(), [socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)])


@case
def mptcp():
    return ask(request(), [listener(proto=MPTCP)])


@case
def udplite():
    return ask(request(), [listener(kind=socket.SOCK_DGRAM, proto=UDPLITE)])


@case
def sctp():
    try:
        return ask(request(), [listener(proto=SCTP)])
    except OSError:
        return "this kernel has none"


@case
def unbound():
    return ask(request(), [socket.socket()])


@case
def unbound_udp():
    return ask(request(spec=b"8/udp"), [socket.socket(type=socket.SOCK_DGRAM)])


@case
def bound_not_listening():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return ask(request(), [sock])


@case
def listened_once():
    sock = listener()
    sock.shutdown(socket.SHUT_RD)
    return ask(request(), [sock])


@case
def connected():
    server = listener()
    client = socket.create_connection(server.getsockname())
    return ask(request(), [client])


@case
def accepted():
    server = listener()
    kept.append(socket.create_connection(server.getsockname()))
    return ask(request(), [server.accept()[0]])


@case
def connected_udp():
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", 9))
    return ask(request(spec=b"8/udp"), [sock])


@case
def lingering():
    """The last close of a socket that waits a minute for its peer to read."""
    server = listener()
    client = socket.create_connection(server.getsockname())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, NEVER))
    kept.append(server.accept()[0])
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    return ask(request(), [client])


@case
def of_another_namespace():
    """wire_probe.py is started with it as descriptor 3."""
    return ask(request(), [os.dup(3)])


@case
def descriptor_with_status():
    return ask(request(STATUS, b""), [listener()])


# --- words -------------------------------------------------------------------------------------


@case
def neither_ports_nor_label():
    return ask(request(spec=b""), [listener()])


def add_specs():
    specs = {
        "backwards": b"9-3",
        "port-0": b"0",
        "empty-item": b"80,,81",
        "blank": b"80, 81",
        "rubbish": b"80x",
        "zero-bytes": b"80\0" * 9,
        "not-ascii": b"\xff\xfe\x1b[31m",
        "host-bits": b"192.0.2.1/24:80",
        "mapped": b"[::ffff:192.0.2.0/120]:80",
        "no-length": b"0.0.0.0:80",
        "two-listeners": b"1=80;2=80",
        "of-16384-dots": b"." * 16384,
        "of-16384-commas": b"," * 16384,
    }
    for name, spec in specs.items():
        cases["spec-" + name] = lambda spec=spec: ask(request(spec=spec), [listener()])


def add_labels():
    labels = {
        "of-a-dash": b"-",
        "with-a-blank": b"a b",
        "with-a-slash": b"../web",
        "like-ours": b"@web-1",
        "with-escapes": b"\x1b[31mweb",
        "not-ascii": "wéb".encode(),
    }
    for name, label in labels.items():
        cases["label-" + name] = lambda label=label: ask(request(label=label), [listener()])
        cases["bound-label-" + name] = lambda label=label: ask(request(BIND, label=label))


def add_modes():
    for mode, name in enumerate(("replace", "join", "share"), 1):
        fields = {"mode": mode, "weight": 100 if name == "join" else 0, "label": b"web"}
        cases["mode-" + name] = lambda f=fields: ask(request(**f), [listener()])
        cases["checked-mode-" + name] = lambda f=fields: ask(request(CHECK, **f), [listener()])


@case
def bind_without_label():
    return ask(request(BIND))


@case
def bind_without_spec():
    return ask(request(BIND, b"", label=b"web"))


@case
def bind_with_listener():
    return ask(request(BIND, b"7777=8", label=b"web"))


@case
def unbind_nobodys():
    return ask(request(UNBIND, label=b"nobodys"))


@case
def unload():
    return ask(request(UNLOAD, b""))


@case
def valid():
    return ask(request(spec=b"8"), [listener()])


@case
def valid_of_16384():
    ports = b",".join(b"%d" % port for port in range(10000, 10000 + 2 * 2730, 2))
    assert len(ports + b",9999") == 16384
    return ask(request(spec=ports + b",9999"), [listener()])


# --- connections -------------------------------------------------------------------------------


@case
def idle():
    """Says nothing after the greeting, and how many seconds the helper had patience."""
    conn = greet()
    began = time.monotonic()
    with conn:
        answer = receive(conn)
    return f"{answer} after {time.monotonic() - began:.1f} s"


@case
def hundred_gone():
    for _ in range(100):
        connect().close()
    return "gone"


@case
def hundred_gone_with_descriptor():
    for _ in range(100):
        with greet() as conn, listener() as sock:
            socket.send_fds(conn, [request()], [sock.fileno()])
    return "gone"


def hoard(n):
    """Keeps n connections open, anew as soon as one is dropped. Says when it has them."""
    conns = {}
    poll = select.poll()
    while True:
        while len(conns) < n:
            conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            conn.connect(path)
            conns[conn.fileno()] = conn
            poll.register(conn, select.POLLRDHUP)
        print("hoarding", flush=True)
        for fd, _ in poll.poll():
            poll.unregister(fd)
            conns.pop(fd).close()


def main():
    add_specs()
    add_labels()
    add_modes()
    if sys.argv[2] == "hoard":
        hoard(int(sys.argv[3]))
    for name in sys.argv[2:]:
        print(f"{name}: {cases[name]()}", flush=True)
        kept.clear()


main()
