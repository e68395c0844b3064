//! Bodies that do what a script says.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

/// What a body does when it is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes come, numbered on through the body.
    Data(usize),
    /// A gRPC code among the trailers.
    Trailers(u32),
    Pending,
    Fail,
    Panic,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    next: u8,
    /// It says how long it is.
    exact: bool,
    /// It says that it has ended before it is asked.
    eager: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    pub(crate) fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    pub(crate) fn left(&self) -> usize {
        let data = self.steps.iter().map(|step| match step {
            Step::Data(bytes) => *bytes,
            _ => 0,
        });
        data.sum()
    }
}

pub(crate) fn trailers(code: u32) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(code))])
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(step) = self.steps.pop_front() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match step {
            Step::Data(bytes) => {
                let data = (0..bytes).map(|_| {
                    self.next = self.next.wrapping_add(1);
                    self.next
                });
                Ok(Frame::data(data.collect::<Vec<_>>().into()))
            }
            Step::Trailers(code) => Ok(Frame::trailers(trailers(code))),
            Step::Fail => Err(Broken),
            Step::Panic => panic!("the body panics"),
            Step::Pending => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.eager && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.exact {
            true => SizeHint::with_exact(self.left() as u64),
            false => SizeHint::default(),
        }
    }
}
