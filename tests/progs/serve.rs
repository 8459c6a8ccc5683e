// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Owns a server as Rust programs are: serve ADDRESS says to each client the port that it dialled.
use std::io::Write;
use std::net::TcpListener;

fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(&address).expect("bind");
    println!("listens");
    for client in listener.incoming().flatten() {
        let mut client = client;
        let name = client.local_addr().expect("a name");
        let _ = writeln!(client, "rust {}", name.port());
    }
}
