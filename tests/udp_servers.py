#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns UDP servers as they are written in python, which send back what they receive: udp_servers.py HOW."""
import asyncio
import socket
import socketserver
import subprocess
import sys

PORT = 7777


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        # Later, so that others have come meanwhile.
        asyncio.get_running_loop().call_later(0.001, self.transport.sendto, data, addr)


async def serve():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, local_addr=("::", PORT)) # of both families
    await asyncio.Event().wait()


def by_asyncio():
    asyncio.run(serve())


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


def by_threads():
    socketserver.ThreadingUDPServer.max_packet_size = 65536
    socketserver.ThreadingUDPServer(("0.0.0.0", PORT), Handler).serve_forever()


def by_forks():
    socketserver.ForkingUDPServer(("0.0.0.0", PORT), Handler).serve_forever()


def by_spawning():
    """Its children, made by vfork(2), close in its own memory what they do not know."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", PORT))
    while True:
        data, addr = sock.recvfrom(65536)
        subprocess.run(["/bin/true"], check=True)
        sock.sendto(data, addr)


globals()[sys.argv[1]]()
