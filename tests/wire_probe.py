#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns a client of the helper that says what no client of ours would: wire_probe.py SOCKET CASE...

Each case is a connection of its own and a line on stdout: "CASE: ERRNO text", "CASE: steered" or
"CASE: done" with the text if there is any, or "CASE: no answer". The cases stand below, each a
function; with "hoard N" or "crowd N" it goes on for ever.
"""
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

VERSION = 3
REQUEST = "=HHHHIHH16s16s64sII8s"
CHECK, REGISTER, ATTEND, STATUS, BIND, UNBIND, UNLOAD = range(1, 8)
OPEN, UNREGISTER, PROMOTE, WEIGHT, SHARED, REPLY_SOCKET, TALLY, WATCH, APPLY = range(8, 17)
REFUSE, REPLACE, JOIN = range(3)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
UDPLITE, SCTP, MPTCP = 136, 132, 262
NEVER = 60  # seconds; every answer comes long before

path = sys.argv[1]
libc = ctypes.CDLL(None)
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
        "scope": 0,
        "pid": 0,
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
    version, steered, err, _, _, _, _, text = struct.unpack("=HHiHHIQ464s", record)
    assert version == VERSION and steered in (0, not err) and text.endswith(b"\0")
    text = text.rstrip(b"\0").decode("ascii")
    assert text.isprintable(), text
    return f"{errno.errorcode[-err] if err else 'steered' if steered else 'done'} {text}".rstrip()


def ask(record, things=()):
    fds = [thing if isinstance(thing, int) else thing.detach() for thing in things]
    with greet() as conn:
        socket.send_fds(conn, [record], fds)
        for fd in fds:  # the helper's is now the last one
            os.close(fd)
        return receive(conn)


def listener(kind=socket.SOCK_STREAM, proto=0):
    sock = socket.socket(socket.AF_INET, kind, proto)
    sock.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def reply_request(**given):
    """Whose cookie and peer's port and address have no names of their own in a record."""
    fields = {"family": socket.AF_INET, "port": 53, "addr": b"\x7f\0\0\1", "instance": b""}
    return request(REPLY_SOCKET, given.pop("spec", b""), **{**fields, "reserved": b"\1", **given})


# --- records -----------------------------------------------------------------------------------

RECORDS = {
    "nothing": b"",
    "one-byte": b"\1",
    "half-a-request": request()[:64],
    "a-byte-short": request(spec=b"")[:-1],
    "a-byte-long": request() + b"x",
    "version-0": request(version=0),
    "version-1": request(version=1),
    "version-4": request(version=4),
    "op-0": request(0),
    "op-17": request(17),
    "op-65535": request(65535),
    "mode-5": request(mode=5),
    "weight-of-none": request(weight=1),
    "weight-of-replace": request(mode=REPLACE, weight=1),
    "register-with-address": request(family=socket.AF_INET, port=7777, addr=b"\x7f\0\0\1"),
    "port-without-family": request(CHECK, port=7777),
    "address-of-another-family": request(CHECK, family=socket.AF_UNIX, port=7777),
    "address-beyond-ipv4": request(CHECK, family=socket.AF_INET, port=7777, addr=b"x" * 16),
    "register-with-scope": request(scope=2),  # 1 is a flag
    "register-with-pid": request(pid=1),
    "check-with-scope": request(CHECK, family=socket.AF_INET6, port=7777, scope=1),
    "status-with-port": request(STATUS, b"", port=7777),
    "status-with-scope": request(STATUS, b"", scope=2),  # 1 is a flag
    "tally-with-scope": request(TALLY, b"", scope=1),
    "watch-with-scope": request(WATCH, b"", scope=2),
    "watch-with-pid": request(WATCH, b"", pid=1),
    "apply-with-spec": request(APPLY, b"8"),
    "apply-with-label": request(APPLY, b"", label=b"web"),
    "apply-with-mode": request(APPLY, b"", mode=REPLACE),
    "apply-with-pid": request(APPLY, b"", pid=1),
    "apply-with-flag": request(APPLY, b"", scope=2),
    "apply-with-port": request(APPLY, b"", port=80),
    "open-without-address": request(OPEN, b"", port=80),
    "open-of-another-family": request(OPEN, b"", family=socket.AF_UNIX, port=80),
    "open-with-scope-of-ipv4": request(OPEN, b"", family=socket.AF_INET, port=80, scope=1),
    "open-beyond-ipv4": request(OPEN, b"", family=socket.AF_INET, port=80, addr=b"x" * 16),
    "open-with-pid": request(OPEN, b"", family=socket.AF_INET, port=80, pid=1),
    "promote-with-address": request(PROMOTE, b"", label=b"web", family=socket.AF_INET),
    "promote-with-port": request(PROMOTE, b"", label=b"web", port=80),
    "promote-with-weight": request(PROMOTE, b"", label=b"web", weight=1),
    "promote-with-pid": request(PROMOTE, b"", label=b"web", pid=1),
    "unregister-with-pid": request(UNREGISTER, b"", label=b"web", pid=1),
    "weight-without-pid": request(WEIGHT, b"", label=b"web", weight=1),
    "weight-with-mode": request(WEIGHT, b"", label=b"web", weight=1, pid=1, mode=JOIN),
    "weight-with-port": request(WEIGHT, b"", label=b"web", weight=1, pid=1, port=80),
    "shared-with-address": request(SHARED, b"", family=socket.AF_INET, port=80),
    "shared-with-port": request(SHARED, b"", port=80),
    "shared-with-weight": request(SHARED, b"", weight=1),
    "reply-without-cookie": reply_request(reserved=b""),
    "reply-without-port": reply_request(port=0),
    "reply-without-address": reply_request(family=0, addr=b""),
    "reply-of-another-family": reply_request(family=socket.AF_UNIX),
    "reply-beyond-ipv4": reply_request(addr=b"x" * 16),
    "reply-with-scope-of-ipv4": reply_request(scope=1),
    "reply-with-mode": reply_request(mode=JOIN),
    "reply-with-spec": reply_request(spec=b"8"),
    "reply-with-label": reply_request(label=b"longer-than-a-token"),
    "reply-with-pid": reply_request(pid=1),
    "reply-to-an-address-alone": reply_request(instance=b"\x7f\0\0\1"),
    "reply-to-a-port-alone": reply_request(weight=4000),
    "reply-to-beyond-ipv4": reply_request(weight=4000, instance=b"x" * 16),
    "reserved-bytes": request(reserved=b"\0" * 7 + b"x"),
    "label-without-end": request(label=b"x" * 64),
    "label-with-more-behind": request(label=b"web\0x"),
    "spec-len-too-small": request(spec=b"8,88", spec_len=3),
    "spec-len-too-large": request(spec=b"8,88", spec_len=5),
    "spec-len-of-4g": request(spec=b"8,88", spec_len=0xFFFFFFFF),
    "spec-of-16385": request(spec=b"8," * 8192 + b"8"),
    "spec-of-64k": request(spec=b"8," * 32768),
    "record-of-200k": b"x" * 200000,
    "noise": b"\xff\xff" + os.urandom(4094),
    "neither-ports-nor-label": request(spec=b""),
    "descriptor-with-status": request(STATUS, b""),
}

SPECS = {
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
    "of-16384-valid": b",".join(b"%d" % (10000 + 2 * i) for i in range(2730)) + b",9999",
}

LABELS = {
    "of-a-dash": b"-",
    "with-a-blank": b"a b",
    "with-a-slash": b"../web",
    "like-ours": b"@web-1",
    "with-escapes": b"\x1b[31mweb",
    "not-ascii": "wéb".encode(),
}

# From sksteerctl's side: without a descriptor.
OTHERS = {
    "bind-without-label": request(BIND),
    "bind-without-spec": request(BIND, b"", label=b"web"),
    "bind-with-listener": request(BIND, b"7777=8", label=b"web"),
    "unbind-nobodys": request(UNBIND, label=b"nobodys"),
    "unload": request(UNLOAD, b""),
}


def add(name, record, make_fds=lambda: [listener()]):
    cases[name] = lambda: ask(record, make_fds())


def add_records():
    assert len(SPECS["of-16384-valid"]) == 16384
    for name, record in RECORDS.items():
        add(name, record)
    for name, spec in SPECS.items():
        add("spec-" + name, request(spec=spec))
    for name, label in LABELS.items():
        add("label-" + name, request(label=label))
        add("bound-label-" + name, request(BIND, label=label), list)
    for name, record in OTHERS.items():
        add(name, record, list)


# --- descriptors -------------------------------------------------------------------------------


def bound():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def listened_once():
    sock = listener()
    sock.shutdown(socket.SHUT_RD)
    return sock


def unix_listener():
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("\0sksteer-wire-probe")
    sock.listen()
    return sock


def connected():
    kept.append(listener())
    return socket.create_connection(kept[-1].getsockname())


def accepted():
    server = listener()
    kept.append(socket.create_connection(server.getsockname()))
    return server.accept()[0]


def connected_udp():
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", 9))
    return sock


def lingering():
    """Its last close waits a minute for a peer that does not read."""
    server = listener()
    client = socket.create_connection(server.getsockname())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, NEVER))
    kept.append(server.accept()[0])
    client.settimeout(0.1)  # the peer's buffer grows for a moment
    try:
        while True:
            client.send(bytes(1 << 16))
    except TimeoutError:
        return client


def epoll():
    with select.epoll() as poll:
        return os.dup(poll.fileno())


# Each makes one; of-another-namespace is what the probe is started with as descriptor 3.
DESCRIPTORS = {
    "file": lambda: os.open("/proc/self/exe", os.O_RDONLY),
    "directory": lambda: os.open("/", os.O_RDONLY),
    "path-only": lambda: os.open("/", os.O_PATH),
    "device": lambda: os.open("/dev/null", os.O_RDWR),
    "pipe": lambda: os.pipe()[0],
    "epoll": epoll,
    "unix": unix_listener,
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "mptcp": lambda: listener(proto=MPTCP),
    "udplite": lambda: listener(kind=socket.SOCK_DGRAM, proto=UDPLITE),
    "unbound": socket.socket,
    "unbound-udp": lambda: socket.socket(type=socket.SOCK_DGRAM),
    "bound-not-listening": bound,
    "listened-once": listened_once,
    "connected": connected,
    "accepted": accepted,
    "connected-udp": connected_udp,
    "lingering": lingering,
    "of-another-namespace": lambda: os.dup(3),
}


def add_descriptors():
    for name, make in DESCRIPTORS.items():
        add(name, request(spec=b"8/udp" if "udp" in name else b"8"), lambda make=make: [make()])
    add("no-descriptor", request(), list)
    add("two-descriptors", request(), lambda: [listener(), listener()])
    add("five-descriptors", request(), lambda: [listener() for _ in range(5)])
    add("two-hundred-descriptors", request(), lambda: [os.dup(1) for _ in range(200)])


@case
def sctp():
    try:
        sock = listener(proto=SCTP)
    except OSError:
        return "this kernel has none"
    return ask(request(), [sock])


@case
def itself():
    with greet() as conn:
        socket.send_fds(conn, [request()], [conn.fileno()])
        return receive(conn)


# --- connections -------------------------------------------------------------------------------


@case
def before_the_greeting():
    with connect() as conn, listener() as sock:
        socket.send_fds(conn, [request()], [sock.fileno()])
        conn.recv(64)
        return receive(conn)


@case
def second_record():
    with greet() as conn, listener() as sock:
        socket.send_fds(conn, [request()], [sock.fileno()])
        try:
            socket.send_fds(conn, [request()], [sock.fileno()])
        except BrokenPipeError:  # hung up already
            pass
        return receive(conn)


def leave_behind(*records):
    """Sent to a helper that is stopped: so it is the last that closes what came along."""
    with greet() as conn:
        pid = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        os.kill(pid, signal.SIGSTOP)
        for things in records:
            fds = [thing.detach() for thing in things]
            socket.send_fds(conn, [b""], fds)
            for fd in fds:
                os.close(fd)
        os.kill(pid, signal.SIGCONT)
        receive(conn)
        conn.close()
    began = time.monotonic()
    ask(request(STATUS, b""))
    return "in time" if time.monotonic() - began < NEVER / 6 else "late"


@case
def lingering_behind():
    """In records that are never read; the first of them are empty."""
    return leave_behind([listener()], [], [], [lingering()], [lingering()])


@case
def lingering_one_too_many():
    return leave_behind([listener(), listener(), lingering(), lingering()])


@case
def lingering_in_a_queue():
    one, other = socket.socketpair()
    with lingering() as sock:
        socket.send_fds(one, [b"x"], [sock.fileno()])
    kept.append(one)
    return leave_behind([other])


@case
def taken():
    """A target that another instance has: refused after the socket was found to be meant."""
    kept.append(listener())
    ask(request(spec=b"8888"), [kept[-1].dup()])
    return ask(request(spec=b"8888"), [listener()]).split(' "@')[0]


@case
def many_namespaces():
    """A listener in each of 65 of one user's own."""
    assert libc.unshare(CLONE_NEWUSER) == 0
    for _ in range(65):
        assert libc.unshare(CLONE_NEWNET) == 0
        kept.append(listener())
        answer = ask(request(spec=b"2000"), [kept[-1].dup()])
        print(answer, file=sys.stderr)
    return answer


@case
def status():
    return ask(request(STATUS, b""))


@case
def promote():
    """What stands by for the label "web" takes over."""
    return ask(request(op=PROMOTE, spec=b"", label=b"web", instance=b""))


def ask_on(conn, port):
    """For a port that is a group's, on a connection that is there already."""
    with conn, listener() as sock:
        socket.send_fds(conn, [request(spec=b"%d" % port)], [sock.fileno()])
        return receive(conn)


def changes_groups(before, after):
    """Started as root: connects in some groups as nobody, and asks in others."""
    os.setgroups(before)
    os.setresgid(65534, 65534, 65534)
    os.seteuid(65534)
    conn = greet()
    os.seteuid(0)
    os.setgroups(after)
    os.setresuid(65534, 65534, 65534)
    assert os.getgroups() == after
    return ask_on(conn, 80)


@case
def group_left():
    return changes_groups([5000], [])


@case
def group_joined():
    return changes_groups([], [5000])


@case
def group_of_setgid():
    """The process that has connected is a setgid program by the time that it asks."""
    conn, pid = greet(), os.getpid()
    if os.fork():
        os.execl(os.path.dirname(__file__) + "/setgid-sleep", "sleep", str(NEVER))
    while "\t5000\t" not in open(f"/proc/{pid}/status").read().split("Gid:")[1].split("\n")[0]:
        time.sleep(0.02)
    answer = ask_on(conn, 80)
    os.kill(pid, signal.SIGKILL)
    return answer


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


@case
def from_setuid():
    """For a low port, once the process that connected has become a setuid program."""
    conn, pid = connect(), os.getpid()
    if os.fork():
        silent, mouth = os.pipe()
        os.dup2(silent, 0)  # it waits for a password
        os.set_inheritable(mouth, True)
        os.execlp("su", "su")
    while "\t0\t" not in open(f"/proc/{pid}/status").read().split("Uid:")[1].split("\n")[0]:
        time.sleep(0.02)
    print("raised", flush=True)
    with conn, listener() as sock:
        conn.recv(64)
        socket.send_fds(conn, [request(spec=b"80")], [sock.fileno()])
        answer = receive(conn)
    os.kill(pid, signal.SIGKILL)
    return answer


@case
def from_another():
    """For a low port, once the process that connected has ended and another has its number."""
    conn, pid = connect(), os.getpid()
    if os.fork():
        os._exit(0)
    name = ""
    while name != "sleep\n":
        time.sleep(0.02)
        try:
            name = open(f"/proc/{pid}/comm").read()
        except OSError:
            pass
    print("replaced", flush=True)
    with conn, listener() as sock:
        conn.recv(64)
        socket.send_fds(conn, [request(spec=b"80")], [sock.fileno()])
        return receive(conn)


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


def crowd(n):
    """n processes that ask for ever, from one new network namespace after the other. The helper is
    stopped, and each has a connection when it says "crowded"."""
    there, here = os.pipe()
    assert libc.unshare(CLONE_NEWUSER) == 0
    for _ in range(n):
        if os.fork() == 0:
            break
    else:
        while n:
            n -= len(os.read(there, n))
        print("crowded", flush=True)
        os.wait()
    while libc.unshare(CLONE_NEWNET) == 0:
        with connect() as conn, listener() as sock:
            os.write(here, b"x")
            try:
                conn.recv(64)
                socket.send_fds(conn, [request(CHECK)], [sock.fileno()])
                conn.recv(4096)
            except OSError:  # hung up on
                pass


# --- opening -----------------------------------------------------------------------------------


def open_request(port=80, family=socket.AF_INET, addr="127.0.0.1", **given):
    return request(
        OPEN, b"", family=family, port=port, addr=socket.inet_pton(family, addr), **given
    )


OPENINGS = {
    "path": (open_request(), lambda: [os.open("/", os.O_PATH)]),
    "device": (open_request(), lambda: [os.open("/dev/null", os.O_RDWR)]),
    "nothing": (open_request(), list),
    "two": (open_request(), lambda: [socket.socket(), socket.socket()]),
    "unix": (open_request(), lambda: [unix_listener()]),
    "mptcp": (open_request(), lambda: [socket.socket(proto=MPTCP)]),
    "udplite": (open_request(), lambda: [socket.socket(type=socket.SOCK_DGRAM, proto=UDPLITE)]),
    "raw-tcp": (
        open_request(),
        lambda: [socket.socket(type=socket.SOCK_RAW, proto=socket.IPPROTO_TCP)],
    ),
    "raw-udp": (
        open_request(),
        lambda: [socket.socket(type=socket.SOCK_RAW, proto=socket.IPPROTO_UDP)],
    ),
    "ping": (
        open_request(),
        lambda: [socket.socket(type=socket.SOCK_DGRAM, proto=socket.IPPROTO_ICMP)],
    ),
    "connected": (open_request(), lambda: [connected()]),
    "connected-udp": (open_request(), lambda: [connected_udp()]),
    "listener": (open_request(), lambda: [listener()]),
    "bound": (open_request(), lambda: [bound()]),
    "of-another-namespace": (open_request(), lambda: [os.dup(3)]),
    "port-0": (open_request(0), lambda: [socket.socket()]),
    "high-port": (open_request(8080), lambda: [socket.socket()]),
    "low-port": (open_request(79), lambda: [socket.socket()]),
    "granted": (open_request(), lambda: [socket.socket()]),
    "granted-with-spec": (request(OPEN, b"9-3", family=2, port=80), lambda: [socket.socket()]),
    "without-address": (request(OPEN, b"", port=80), lambda: [socket.socket()]),
    "unix-address": (request(OPEN, b"", family=socket.AF_UNIX, port=80), lambda: [socket.socket()]),
    "ipv4-with-scope": (open_request(scope=1), lambda: [socket.socket()]),
    "ipv4-of-ipv6": (open_request(), lambda: [socket.socket(socket.AF_INET6)]),
    "ipv6-of-ipv4": (
        open_request(family=socket.AF_INET6, addr="::1"),
        lambda: [socket.socket()],
    ),
    "mapped": (
        open_request(family=socket.AF_INET6, addr="::ffff:127.0.0.1"),
        lambda: [socket.socket(socket.AF_INET6)],
    ),
    "link-local": (
        open_request(family=socket.AF_INET6, addr="fe80::1"),
        lambda: [socket.socket(socket.AF_INET6)],
    ),
    "no-interface": (
        open_request(family=socket.AF_INET6, addr="fe80::1", scope=0x7FFFFFFF),
        lambda: [socket.socket(socket.AF_INET6)],
    ),
}


REPLIES = {
    "path": lambda: [os.open("/", os.O_PATH)],
    "device": lambda: [os.open("/dev/null", os.O_RDWR)],
    "nothing": list,
    "two": lambda: [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)],
    "udplite": lambda: [socket.socket(type=socket.SOCK_DGRAM, proto=UDPLITE)],
    "raw": lambda: [socket.socket(type=socket.SOCK_RAW, proto=socket.IPPROTO_UDP)],
    "tcp": lambda: [listener()],
    "connected": lambda: [connected_udp()],
    "none": lambda: [socket.socket(type=socket.SOCK_DGRAM)],
}


def add_replies():
    for name, make_fds in REPLIES.items():
        add("reply-of-" + name, reply_request(), make_fds)


def add_openings():
    for name, (record, make_fds) in OPENINGS.items():
        add("open-" + name, record, make_fds)


def memfd(text=b"@web\n80\n", seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK):
    fd = os.memfd_create("list", os.MFD_ALLOW_SEALING)
    os.write(fd, text)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def read_only(fd, flags):
    return os.open(f"/proc/self/fd/{fd}", flags)


LISTS = {
    "nothing": list,
    "two": lambda: [memfd(), memfd()],
    "socket": lambda: [listener()],
    "path": lambda: [os.open("/", os.O_PATH)],
    "device": lambda: [os.open("/dev/zero", os.O_RDONLY)],
    "pipe": lambda: [os.pipe()[0]],
    "file": lambda: [os.open(__file__, os.O_RDONLY)],
    "unsealed": lambda: [memfd(seals=0)],
    "writable": lambda: [memfd(seals=fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)],
    "future-write": lambda: [memfd(seals=0x10 | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)],
    "shrinking": lambda: [memfd(seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW)],
    "growing": lambda: [memfd(seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)],
    "write-only": lambda: [read_only(memfd(), os.O_WRONLY)],
    "path-of-memfd": lambda: [read_only(memfd(), os.O_PATH)],
    "long": lambda: [memfd(b"@web\n" + b"8080\n" * 20000)],
    "endless": lambda: [memfd(b"@web\n80")],
    "no-label": lambda: [memfd(b"80\n")],
    "label-empty": lambda: [memfd(b"@\n")],
    "label-nul": lambda: [memfd(b"@we\0b\n")],
    "label-twice": lambda: [memfd(b"@web\n8080\n@api\n@web\n")],
    "line-empty": lambda: [memfd(b"@web\n\n8080\n")],
    "line-nul": lambda: [memfd(b"@web\n80\x0080\n")],
    "line-cr": lambda: [memfd(b"@web\n8080\r\n")],
    "listener": lambda: [memfd(b"@web\n8080=8081\n")],
    "target-twice": lambda: [memfd(b"@web\n8080\n@api\n8079-8081,8080\n")],
    "labels": lambda: [memfd(b"".join(b"@%x\n" % i for i in range(4097)))],
}


def add_lists():
    for name, make_fds in LISTS.items():
        add("apply-of-" + name, request(APPLY, b""), make_fds)


@case
def open_and_leave():
    """It does not wait for the answer of a helper that is stopped, which must bind nothing then."""
    with socket.socket() as sock:
        with greet() as conn:
            pid = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            os.kill(pid, signal.SIGSTOP)
            socket.send_fds(conn, [open_request()], [sock.fileno()])
        os.kill(pid, signal.SIGCONT)
        ask(request(STATUS, b""))
        return f"port {sock.getsockname()[1]}"


@case
def stand_by():
    """As the supervisor of an instance that need not be its own does, and for a user that has one already once too often."""
    instance = bytes.fromhex(os.environ["SKSTEER_INSTANCE"])
    answers = [ask(request(ATTEND, b"", instance=instance)) for _ in range(65)]
    return f"{answers[0]}, {answers[62]}, {answers[63]}"


def main():
    add_records()
    add_descriptors()
    add_openings()
    add_replies()
    add_lists()
    if sys.argv[2] in ("hoard", "crowd"):
        {"hoard": hoard, "crowd": crowd}[sys.argv[2]](int(sys.argv[3]))
    for name in sys.argv[2:]:
        print(f"{name}: {cases[name]()}", flush=True)
        kept.clear()


if __name__ == "__main__":
    main()
