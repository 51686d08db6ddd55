//! A DNS server (RFC 1035) for IPv4 addresses.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

const HEADER: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];

type Table = HashMap<String, VecDeque<Ipv4Addr>>;

/// The table of names. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<Table>>);

impl Names {
    /// Sets the addresses that successive look-ups of this name return; the last one is repeated.
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().expect("an address"));
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.insert(name.to_owned(), addresses.collect());
    }

    fn next(&self, name: &str) -> Option<Ipv4Addr> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = table.get_mut(name)?;
        match addresses.len() {
            1 => addresses.front().copied(),
            _ => addresses.pop_front(),
        }
    }

    /// The response to a query with one question.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let mut at = HEADER;
        let mut labels = Vec::new();
        while *query.get(at)? != 0 {
            let length = usize::from(query[at]);
            labels.push(std::str::from_utf8(query.get(at + 1..=at + length)?).ok()?);
            at += length + 1;
        }
        let question = query.get(HEADER..at + 5)?;
        let wants_address = query.get(at + 1..at + 3)? == TYPE_A;
        let address = wants_address
            .then(|| self.next(&labels.join(".")))
            .flatten();
        // Flags: response, recursion available, no error.
        let mut answer = [
            &query[..2],
            &[0x81, 0x80, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0],
        ]
        .concat();
        answer.extend(question);
        if let Some(address) = address {
            // A pointer to the question's name, type A, class IN, TTL 0.
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}

/// Starts to serve on 127.0.0.1.
pub(crate) async fn serve() -> Names {
    let names = Names::default();
    let socket = UdpSocket::bind("127.0.0.1:53")
        .await
        .expect("a namespace of its own");
    let answering = names.clone();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            if let Some(answer) = answering.answer(&query[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    names
}
