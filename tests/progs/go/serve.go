// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Owns a server as Go programs are: serve tcp|http|udp ADDRESS... says "listens" for each.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func try[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func serveHTTP(address string) {
	listener := try(net.Listen("tcp", address))
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
		if os.Args[1] == "http" {
			go serveHTTP(address)
		} else {
			go echoUDP(address)
		}
	}
	select {}
}
