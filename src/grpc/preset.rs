//! The builder of a pipeline, in the words of gRPC.

use crate::{
    classify::OnError,
    deadline::NoDeadline,
    http::{Buffered, DeadlineHeader, OnCode},
    pipeline::Builder,
    replay::Cloned,
};

/// Unary requests are small; who sends larger ones says so.
const CAP: usize = 64 * 1024;

impl<F> Builder<OnError, Cloned, NoDeadline, F> {
    /// For a client or a server of gRPC: codes are judged ([`OnCode`]), requests of up to 64 KiB can be sent
    /// again ([`Buffered`]), and the deadline is carried by `grpc-timeout` ([`DeadlineHeader::GRPC`]).
    ///
    /// For a pipeline that is a layer over requests and responses, see [`grpc`](crate::grpc). Another classifier
    /// or carrier of deadlines comes after it; for another replay name all three:
    ///
    /// ```
    /// use buttress::{Resilience, http::{Buffered, DeadlineHeader, OnCode}, pipeline::Config};
    ///
    /// let members = Resilience::builder().config(Config::standard()).grpc().build()?;
    ///
    /// // Every method may be called twice, and sends up to a megabyte.
    /// let photos = Resilience::builder()
    ///     .config(Config::standard())
    ///     .classify(OnCode::new().retried([4]))
    ///     .replay(Buffered::new(1 << 20))
    ///     .deadline_in(DeadlineHeader::GRPC)
    ///     .build()?;
    /// # let _: [Resilience<OnCode, Buffered, DeadlineHeader>; 2] = [members, photos];
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn grpc(self) -> Builder<OnCode, Buffered, DeadlineHeader, F> {
        self.classify(OnCode::new())
            .replay(Buffered::new(CAP))
            .deadline_in(DeadlineHeader::GRPC)
    }
}
