//! A client that `wrk` cannot be: each request has the cookie of a session drawn at random, and the next one of
//! that session what its answer has set. Lean, so that the server's core is what gives out first.

use crate::Outcome;
use crate::load::CONNECTIONS;
use crate::stopwatch::Stopwatch;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Characters of a cookie's value.
pub(crate) const VALUE: usize = 72;

/// The jars of all browsers.
pub(crate) struct Jars {
    name: &'static str,
    values: RefCell<Vec<[u8; VALUE]>>,
    random: RefCell<u64>,
}

/// What was seen in a span of time.
pub(crate) struct Followed {
    /// Answers per second.
    pub(crate) rate: f64,
    /// How many there were.
    pub(crate) answers: usize,
}

/// What a client goes on with.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// Sessions drawn at random for so long.
    Passed(Duration),
    /// Each session once, in order.
    All,
}

impl Jars {
    /// Those of these cookies.
    pub(crate) fn new(name: &'static str, values: Vec<[u8; VALUE]>) -> Rc<Self> {
        Rc::new(Self {
            name,
            values: RefCell::new(values),
            random: RefCell::new(0x9e37_79b9_7f4a_7c15),
        })
    }

    /// The Cookie header of one of them.
    pub(crate) fn header(&self, which: usize) -> String {
        let value = self.values.borrow()[which];
        format!("{}={}", self.name, String::from_utf8_lossy(&value))
    }

    /// Xorshift: nobody must be surprised by it but the caches.
    fn draw(&self) -> usize {
        let mut state = self.random.borrow_mut();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state % self.values.borrow().len() as u64) as usize
    }

    /// Asks the server at this URL for its `/whoami` over all connections.
    pub(crate) async fn ask(self: &Rc<Self>, url: &str, until: Until) -> Outcome<Followed> {
        let address = url.strip_prefix("http://").ok_or("not plain HTTP")?.to_owned();
        let (next, watch) = (Rc::new(RefCell::new(0)), Stopwatch::start());
        let local = LocalSet::new();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let (jars, next, address) = (Rc::clone(self), Rc::clone(&next), address.clone());
            clients.push(
                local.spawn_local(async move { jars.client(&address, until, next, watch).await }),
            );
        }
        let answers = local
            .run_until(async move {
                let mut answers = 0;
                for client in clients {
                    answers += client.await??;
                }
                Outcome::Ok(answers)
            })
            .await?;
        Ok(Followed { rate: 1.0 / watch.each(answers), answers })
    }

    async fn client(
        self: Rc<Self>,
        address: &str,
        until: Until,
        next: Rc<RefCell<usize>>,
        watch: Stopwatch,
    ) -> Outcome<usize> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request =
            format!("GET /whoami HTTP/1.1\r\nHost: {address}\r\ncookie: {}=", self.name)
                .into_bytes();
        let begins = request.len();
        request.extend([b'-'; VALUE]);
        request.extend(b"\r\n\r\n");
        let mut answer = vec![0; 16 * 1024];
        let mut done = 0;
        loop {
            let which = match until {
                Until::Passed(span) if watch.elapsed() >= span => return Ok(done),
                Until::Passed(_) => self.draw(),
                Until::All => {
                    let which = next.replace_with(|next| *next + 1);
                    if which >= self.values.borrow().len() {
                        return Ok(done);
                    }
                    which
                }
            };
            request[begins..begins + VALUE].copy_from_slice(&self.values.borrow()[which]);
            stream.write_all(&request).await?;
            if let Some(value) = read(&mut stream, &mut answer, self.name).await? {
                self.values.borrow_mut()[which] = value;
            }
            done += 1;
        }
    }
}

/// Reads one good answer; gives the value that it sets the cookie to.
async fn read(
    stream: &mut TcpStream,
    answer: &mut [u8],
    name: &str,
) -> Outcome<Option<[u8; VALUE]>> {
    let mut have = 0;
    loop {
        let got = stream.read(&mut answer[have..]).await?;
        have += got;
        match parse(&answer[..have], name) {
            Some(parsed) if have >= parsed.length => return Ok(parsed.set),
            _ if got == 0 => {
                return Err(String::from_utf8_lossy(&answer[..have]).into_owned().into());
            }
            _ => {}
        }
    }
}

/// A good answer.
struct Parsed {
    length: usize,
    set: Option<[u8; VALUE]>,
}

/// One pass over the head; `None` if it is not whole or not good.
fn parse(answer: &[u8], name: &str) -> Option<Parsed> {
    let (mut at, mut body, mut set) = (0, 0, None);
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }
    for line in answer.split(|byte| *byte == b'\n') {
        at += line.len() + 1;
        if line == b"\r" {
            return Some(Parsed { length: at + body, set });
        }
        if let Some(length) = line.strip_prefix(b"content-length: ") {
            body = std::str::from_utf8(length).ok()?.trim().parse().ok()?;
        } else if let Some(cookie) = line.strip_prefix(b"set-cookie: ") {
            let value = cookie.strip_prefix(name.as_bytes()).and_then(|c| c.strip_prefix(b"="));
            set = set.or(value.and_then(|value| value.first_chunk().copied()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_sets_is_followed() {
        let value = "v".repeat(VALUE);
        let head = "HTTP/1.1 200 OK\r\nset-cookie: b=2\r\ncontent-length: 2\r\n";
        let text = format!("{head}set-cookie: a={value}; Path=/\r\n\r\nhi");
        let parsed = parse(text.as_bytes(), "a").unwrap();
        assert_eq!((parsed.length, parsed.set.unwrap().as_slice()), (text.len(), value.as_bytes()));
        assert_eq!(parse(format!("{head}\r\nhi").as_bytes(), "a").unwrap().set, None);
        assert!(parse(head.as_bytes(), "a").is_none(), "not whole");
        assert!(parse(b"HTTP/1.1 401 Unauthorized\r\n\r\n", "a").is_none());
    }
}
