//! A server over a real socket that answers as its script says and remembers what it was asked.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method},
    response::Response,
};
use tokio::net::TcpListener;

/// What the next request gets; after the last one, 200.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    Header(u16, &'static str, &'static str),
    After(Duration),
    Never,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Memory {
    script: VecDeque<Answer>,
    asked: Vec<Asked>,
}

#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    memory: Arc<Mutex<Memory>>,
}

impl Scripted {
    pub(crate) async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let memory = Arc::new(Mutex::new(Memory {
            script: script.into_iter().collect(),
            asked: Vec::new(),
        }));
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&memory));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, memory }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.memory.lock().unwrap().asked.clone()
    }

    pub(crate) fn times(&self) -> usize {
        self.memory.lock().unwrap().asked.len()
    }
}

async fn answer(State(memory): State<Arc<Mutex<Memory>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.to_vec(),
    };
    let next = {
        let mut memory = memory.lock().unwrap();
        memory.asked.push(asked);
        memory.script.pop_front()
    };
    let response = Response::builder();
    match next.unwrap_or(Answer::Status(200)) {
        Answer::Status(status) => response.status(status).body(Body::from("text")).unwrap(),
        Answer::Header(status, name, value) => {
            let response = response.status(status).header(name, value);
            response.body(Body::from("text")).unwrap()
        }
        Answer::After(wait) => {
            tokio::time::sleep(wait).await;
            response.body(Body::from("late")).unwrap()
        }
        Answer::Never => std::future::pending().await,
    }
}
