//! A client that costs the machine little beside what it measures: one connection of HTTP/1.1 that it keeps, and
//! requests that are written beforehand.

use crate::Outcome;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open connection.
pub(crate) struct Raw {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a whole request and gives the whole answer, head and body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<&str> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        while !is_whole(&self.answer)? {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
        Ok(std::str::from_utf8(&self.answer)?)
    }
}

/// A request with a body.
pub(crate) fn post(address: SocketAddr, path: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> Outcome<u16> {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.ok_or("the answer has no status")?.parse()?)
}

/// The value of a header of an answer; `name` in small letters.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Whether an answer is there with as many bytes as it has announced.
fn is_whole(answer: &[u8]) -> Outcome<bool> {
    let text = std::str::from_utf8(answer)?;
    let Some((_, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    let announced = header(text, "content-length").ok_or("the answer announces no length")?;
    Ok(body.len() == announced.parse::<usize>()?)
}
