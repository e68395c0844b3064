//! A policy that makes calls wait, over a service that cannot leave a clone behind.
use buttress::guard::{Admission, Admit, Guard, No, Now, Policy, Yes};
use buttress::{Outcome, Rejected};
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{BoxError, Layer, Service};

struct Patience;

impl Policy for Patience {
    type Ticket = ();
    type Wait = ();
    type Queues = Yes;
    type Settles = No;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }
    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }
    fn cancel(&self, (): ()) {}
    fn settle(&self, (): (), _: Outcome, _: &Now) {}
    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Patience {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        Admission::Wait(())
    }
    fn poll_wait(&self, _: Pin<&mut ()>, _: &R, _: &Now, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Ok(()))
    }
}

struct Connection;

impl Service<u32> for Connection {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, id: u32) -> Self::Future {
        ready(Ok(id))
    }
}

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let guard = Guard::new(Patience);
    serve(guard.layer(Connection));
}
