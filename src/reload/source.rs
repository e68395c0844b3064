//! Where documents come from.

use std::{error, fmt, future::Future, time::Duration};

use crate::{document::Format, sys::Arc};

/// Where the text of a document comes from: a [`File`](crate::reload::File), a config server, a channel.
///
/// A source answers the first time with what is there, and from then on when it has, or may have, become
/// another. It need not compare: a text that is the same as the last is not read twice.
///
/// ```
/// use buttress::document::Format;
/// use buttress::reload::{Reload, Source, SourceError, Text};
/// use std::time::Duration;
///
/// /// Asks a config server every ten seconds.
/// struct Server {
///     client: reqwest::Client,
///     url: String,
///     asked: bool,
/// }
///
/// impl Source for Server {
///     async fn next(&mut self) -> Result<Text, SourceError> {
///         if std::mem::replace(&mut self.asked, true) {
///             tokio::time::sleep(Duration::from_secs(10)).await;
///         }
///         let answer = self.client.get(&self.url).send().await;
///         let answer = answer.and_then(|it| it.error_for_status()).map_err(SourceError::new)?;
///         let text = answer.text().await.map_err(SourceError::new)?;
///         Ok(Text::new(text, Format::Yaml))
///     }
/// }
/// # let server = Server { client: reqwest::Client::new(), url: "http://config/members".into(), asked: false };
/// # let _ = Reload::builder(server);
/// ```
pub trait Source: Send {
    /// What is there now; the next time, when it has or may have become another. It waits in here, and
    /// must not answer at once again and again.
    ///
    /// Of a [`Reload`](crate::reload::Reload), the future is dropped only together with the source.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: there is nothing to be had now. It is asked again after a while, unless it has said
    /// that it is [closed](SourceError::closed).
    fn next(&mut self) -> impl Future<Output = Result<Text, SourceError>> + Send;

    /// Whether it looks every so often since it cannot watch as it was meant to. Asked after each answer,
    /// and told in an event when it has become another. Default: no.
    fn polls(&self) -> Option<Polling> {
        None
    }
}

/// A text that a [`Source`] has answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// The document.
    pub text: String,
    /// In which language.
    pub format: Format,
}

impl Text {
    /// This text in this language.
    #[must_use]
    pub fn new(text: impl Into<String>, format: Format) -> Self {
        let text = text.into();
        Self { text, format }
    }
}

/// A source looks every so often, since it cannot watch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polling {
    /// Why.
    pub error: Arc<str>,
    /// How often.
    pub every: Duration,
}

impl Polling {
    /// So often, for that reason.
    #[must_use]
    pub fn new(error: impl Into<Arc<str>>, every: Duration) -> Self {
        let error = error.into();
        Self { error, every }
    }
}

/// A [`Source`] had nothing to answer with.
#[derive(Debug)]
pub struct SourceError {
    error: Box<dyn error::Error + Send + Sync>,
    closed: bool,
}

impl SourceError {
    /// It failed, and is to be asked again after a while.
    #[must_use]
    pub fn new(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        let closed = false;
        Self { error, closed }
    }

    /// Nothing more will come, and it is not to be asked again.
    #[must_use]
    pub fn closed(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        let closed = true;
        Self { error, closed }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for SourceError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.error.source()
    }
}
