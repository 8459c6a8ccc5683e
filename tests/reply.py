#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns a server that speaks to the helper itself, to get reply sockets: reply.py FIFO HELPER.

The acts are those of acts.py, and these. What the helper refuses is "ERRNO text".

register NAME SPEC [LABEL]    NAME is an open UDP socket
shared NAME                   SHARED, which tells its token, too
token NAME                    was one told for NAME? "told" or "none"
ask NAME FROM ADDRESS PORT [WORD]...
                              a reply socket for FROM, bound there: "steered" or "yields". Words:
    peer=ADDRESS#PORT         it receives from there alone
    6                         an IPv6 socket, though the address is IPv4
    cookie=N, scope=N, token=N
                              of the request; the token as FROM's was told, else
    bound, connected, tcp, unix, elsewhere (of another namespace), locked, dev=INTERFACE
                              what the socket is before
quiet NAME ADDRESS PORT       a UDP socket that answers nothing, without SO_REUSEADDR
crowd ADDRESS N PORT          so many, at that address and those after it
name NAME, peer NAME          where it is bound, connected to (or "nobody")
disconnect NAME
send NAME ADDRESS PORT TEXT   from there
from NAME SOURCE ADDRESS PORT TEXT
                              from another address (IPv4)
hear NAME [N]                 what has come, TEXT@ADDRESS#PORT each; or "nothing". It waits for N, and
                              0.2 s for more
detach NAME, attach NAME      a filter
error NAME                    of the socket
drop                          it becomes nobody; by then it is another process
cookie NAME                   SO_COOKIE
shut NAME, free NAME          SHUT_RD, IP_FREEBIND
marks NAME                    both, and all else by which the helper tells a reply socket
race NAME FROM ADDRESS PORT N asks N times while a thread puts a filter of its own there: who won
"""
import ctypes
import errno
import os
import resource
import select
import socket
import struct
import sys
import threading

import acts

VERSION, REGISTER, SHARED, REPLY_SOCKET = 3, 2, 12, 13
REQUEST = "=HHHHIHH16s16s64sIIQ"
SO_COOKIE, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER = 57, 26, 27, 44
CLONE_NEWNET = 0x40000000
instance = os.urandom(16)
tokens = {}  # by the socket's name
libc = ctypes.CDLL(None, use_errno=True)
takes_all = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF))


def cookie_of(sock):
    return struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


def attach_to(sock):
    prog = struct.pack("=H6xQ", 1, ctypes.addressof(takes_all))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, prog)


def call(op, sock, spec=b"", label=b"", extra=instance, **given):
    fields = (given.get(name, 0) for name in ("peer_port", "family", "port"))
    peer_port, family, port = fields
    head = struct.pack(
        REQUEST,
        *(VERSION, op, 0, peer_port, len(spec), family, port, given.get("addr", b"")),
        *(extra, label, given.get("scope", 0), 0, given.get("cookie", 0)),
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as conn:
        conn.connect(sys.argv[2])
        assert conn.recv(64) == struct.pack("=H6x", VERSION)
        socket.send_fds(conn, [head + spec], [sock.fileno()])
        record = conn.recv(4096)
    _, steered, err, _, _, _, token, text = struct.unpack("=HHiHHIQ464s", record)
    if "name" in given:
        tokens[given["name"]] = token
    text = text.rstrip(b"\0").decode()
    word = errno.errorcode[-err] if err else "steered" if steered else "yields"
    return f"{word} {text}".rstrip()


@acts.act
def register(name, spec, label=""):
    return call(REGISTER, acts.socks[name], spec.encode(), label.encode(), name=name)


@acts.act
def shared(name):
    return call(SHARED, acts.socks[name], name=name)


@acts.act
def token(name):
    return "told" if tokens[name] else "none"


def in_another_namespace(make):
    made = []

    def work():
        assert libc.unshare(CLONE_NEWNET) == 0  # this thread alone
        made.append(make())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


def fresh(family, words):
    if "unix" in words:
        return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    kind = socket.SOCK_STREAM if "tcp" in words else socket.SOCK_DGRAM
    if "elsewhere" in words:
        return in_another_namespace(lambda: socket.socket(family, kind))
    sock = socket.socket(family, kind)
    if "bound" in words:
        sock.bind(("127.0.0.1", 0))
    if "connected" in words:
        sock.connect(("127.0.0.1", 9))
    if "locked" in words:
        attach_to(sock)
        sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
    for word in words:
        if word.startswith("dev="):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, word[4:].encode())
    return sock


@acts.act
def ask(name, of, address, port, *words, sock=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "6" in words:
        family, address = socket.AF_INET6, "::ffff:" + address
    peer, _, peer_port = given.get("peer", "#0").rpartition("#")
    if peer and "6" in words:
        peer = "::ffff:" + peer
    sock = sock or fresh(socket.AF_INET if "4" in words else family, words)
    said = call(
        REPLY_SOCKET,
        sock,
        label=struct.pack("=Q", int(given.get("token", tokens.get(of, 0)))),
        extra=socket.inet_pton(family, peer) if peer else b"",
        peer_port=int(peer_port),
        family=family,
        port=int(port),
        addr=socket.inet_pton(family, address),
        cookie=int(given.get("cookie", 0)) or cookie_of(acts.socks[of]),
        scope=int(given.get("scope", 0)),
    )
    acts.socks[name] = sock
    return said


@acts.act
def quiet(which, address, port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, int(port)))
    acts.socks[which] = sock


@acts.act
def name(which):
    host, port, *rest = acts.socks[which].getsockname()
    scope = f"%{socket.if_indextoname(rest[1])}" if rest and rest[1] else ""
    return f"{host}{scope}#{port}"


@acts.act
def crowd(address, n, port):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    first = int.from_bytes(socket.inet_aton(address), "big")
    for i in range(int(n)):
        quiet(f"crowd{i}", socket.inet_ntoa((first + i).to_bytes(4, "big")), port)


@acts.act
def peer(which):
    try:
        host, port = acts.socks[which].getpeername()[:2]
    except OSError:
        return "nobody"
    return f"{host}#{port}"


@acts.act
def disconnect(which):
    nobody = struct.pack("=H14x", socket.AF_UNSPEC)
    assert libc.connect(acts.socks[which].fileno(), nobody, len(nobody)) == 0


@acts.act
def send(which, address, port, text):
    acts.socks[which].sendto(text.encode(), (address, int(port)))


@acts.act
def source(which, own, address, port, text):
    info = struct.pack("=i4s4s", 0, socket.inet_aton(own), bytes(4))
    acts.socks[which].sendmsg(
        [text.encode()], [(socket.IPPROTO_IP, 8, info)], 0, (address, int(port))
    )


acts.acts["from"] = acts.acts.pop("source")


@acts.act
def hear(which, n=0):
    sock, heard = acts.socks[which], []
    sock.setblocking(False)
    while select.select([sock], [], [], 0.2 if len(heard) >= int(n) else 10)[0]:
        try:
            text, peer = sock.recvfrom(4096)
        except BlockingIOError:
            break
        if not text:  # shut down: always readable, with nothing in it
            break
        heard.append(f"{text.decode()}@{peer[0]}#{peer[1]}")
    return " ".join(heard) or "nothing"


@acts.act
def detach(which):
    acts.socks[which].setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


@acts.act
def attach(which):
    attach_to(acts.socks[which])


@acts.act
def error(which):
    err = acts.socks[which].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode[err] if err else "none"


@acts.act
def cookie(which):
    return str(cookie_of(acts.socks[which]))


@acts.act
def shut(which):
    try:
        acts.socks[which].shutdown(socket.SHUT_RD)
    except OSError as err:  # as it is not connected; done all the same
        assert err.errno == errno.ENOTCONN


@acts.act
def free(which):
    acts.socks[which].setsockopt(socket.IPPROTO_IP, 15, 1)


@acts.act
def marks(which):
    shut(which)
    free(which)
    acts.socks[which].setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    acts.socks[which].setsockopt(socket.IPPROTO_IP, 49, 0)  # IP_MULTICAST_ALL


@acts.act
def drop():
    if os.fork():
        os.wait()
        os._exit(0)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


@acts.act
def race(which, of, address, port, n):
    """Of the sockets that were granted, which have a filter that takes anything?"""
    sys.setswitchinterval(1e-4)  # else it is but a few times a second that one thread follows the other
    taken = granted = 0
    for _ in range(int(n)):
        sock, stop = socket.socket(type=socket.SOCK_DGRAM), threading.Event()

        def work():
            while not stop.is_set():
                try:
                    attach_to(sock)
                except OSError:
                    return

        thread = threading.Thread(target=work)
        thread.start()
        said = ask(which, of, address, port, sock=sock)
        stop.set()
        thread.join()
        granted += said == "steered"
        filter_ = sock.getsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, 8)
        taken += said == "steered" and filter_ == takes_all.raw[:8]
        sock.close()
    return f"{taken} of {'some' if granted else 'none'}"


if __name__ == "__main__":
    acts.main()
