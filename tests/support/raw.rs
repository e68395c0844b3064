//! A server that says what it is told to, byte by byte.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// What becomes of a connection after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It is closed in an orderly way.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and the next request is answered.
    Keep,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) after: After,
}

impl Answer {
    /// A whole response, with a length and perhaps further headers.
    pub(crate) fn whole(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status} So\r\n{headers}content-length: {length}\r\n\r\n{body}");
        Self {
            bytes: text.into_bytes(),
            after: After::Keep,
        }
    }

    /// A thousand bytes are promised, and five hundred are sent.
    pub(crate) fn cut_off(chunked: bool, after: After) -> Self {
        let half = "x".repeat(500);
        let text = match chunked {
            true => format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1f4\r\n{half}\r\n1f4\r\n"
            ),
            false => format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{half}"),
        };
        Self {
            bytes: text.into_bytes(),
            after,
        }
    }
}

/// A server on loopback.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    /// How many requests came.
    pub(crate) asked: Arc<AtomicU32>,
    /// The end of a connection waits for one of these: that the head has been read.
    pub(crate) heads: Arc<Semaphore>,
}

impl Server {
    /// Answers by the number of the request, from 1, and its head.
    pub(crate) async fn new(answer: impl Fn(u32, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: format!("http://{}/", listener.local_addr().unwrap()),
            asked: Arc::default(),
            heads: Arc::new(Semaphore::new(0)),
        };
        let (all, answer) = (server.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, answer) = (all.clone(), Arc::clone(&answer));
                tokio::spawn(async move { server.talk(stream, &*answer).await });
            }
        });
        server
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(SeqCst)
    }

    async fn talk(self, mut stream: TcpStream, answer: &(dyn Fn(u32, &str) -> Answer + Sync)) {
        while let Some(head) = read_request(&mut stream).await {
            let number = self.asked.fetch_add(1, SeqCst) + 1;
            let Answer { bytes, after } = answer(number, &head);
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            if after == After::Keep {
                continue;
            }
            self.heads.acquire().await.unwrap().forget();
            if after == After::Reset {
                stream.set_zero_linger().unwrap();
            }
            return;
        }
    }
}

/// The head of the next request; its body is read to its end.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    if head.contains("transfer-encoding: chunked") {
        let mut end = Vec::new();
        while !end.ends_with(b"0\r\n\r\n") {
            end.push(stream.read_u8().await.ok()?);
        }
    }
    Some(head)
}
