// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Owns a server as Go programs are: serve http|mptcp|udp ADDRESS... says "listens" for each.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

func try[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// As package net listens from Go 1.24 on: TCP where the kernel does not do MPTCP, and then only.
func listenMPTCP(address string) net.Listener {
	const IPPROTO_MPTCP = 262
	flags := syscall.SOCK_STREAM | syscall.SOCK_NONBLOCK | syscall.SOCK_CLOEXEC
	at := try(net.ResolveTCPAddr("tcp", address))
	fd, err := syscall.Socket(syscall.AF_INET6, flags, IPPROTO_MPTCP)
	switch err {
	case syscall.EINVAL, syscall.EPROTONOSUPPORT, syscall.ENOPROTOOPT:
		fmt.Println("no MPTCP:", err)
		fd, err = syscall.Socket(syscall.AF_INET6, flags, 0)
	}
	fd = try(fd, err)
	try(0, syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0))
	try(0, syscall.Bind(fd, &syscall.SockaddrInet6{Port: at.Port}))
	try(0, syscall.Listen(fd, 128))
	return try(net.FileListener(os.NewFile(uintptr(fd), address)))
}

func serveHTTP(listener net.Listener) {
	fmt.Println("listens")
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Context().Value(http.LocalAddrContextKey))
	}))
}

func echoUDP(address string) {
	conn := try(net.ListenPacket("udp", address))
	buf := make([]byte, 2048)
	fmt.Println("listens")
	for {
		n, from, err := conn.ReadFrom(buf)
		if err == nil {
			conn.WriteTo(buf[:n], from)
		}
	}
}

func main() {
	for _, address := range os.Args[2:] {
		switch os.Args[1] {
		case "http":
			go serveHTTP(try(net.Listen("tcp", address)))
		case "mptcp":
			go serveHTTP(listenMPTCP(address))
		default:
			go echoUDP(address)
		}
	}
	select {}
}
