//! Keys that are text.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    mem,
};

use ::http::{HeaderName, HeaderValue, header::HOST};

use crate::{
    header::Malformed,
    http::head::RequestHead,
    keyed::{Finds, KeyOf},
    sys::Arc,
    telemetry::ignore_malformed,
};

/// Bytes of the longest key.
const LONGEST: usize = 256;

/// The key of all values that are too long or no text: none that is text is this.
const STRANGE: &str = "\u{fffd}";

/// A key that is text, as it is found in a request and before it is kept: for key finders of your own that find
/// text ([`KeyOf::Found`]).
///
/// ```
/// use buttress::{http::keys::Text, keyed::{Finds, KeyOf}};
/// use http::Request;
/// use std::sync::Arc;
///
/// struct FirstSegment;
///
/// impl Finds for FirstSegment {
///     type Key = Arc<str>;
/// }
///
/// impl KeyOf<Request<()>, Arc<str>> for FirstSegment {
///     type Found<'r> = Text<'r>;
///
///     fn find<'r>(&self, request: &'r Request<()>) -> Text<'r> {
///         Text::new(request.uri().path().split('/').nth(1))
///     }
///     fn is(found: &Text<'_>, key: &Arc<str>) -> bool {
///         found.is(key)
///     }
///     fn keep(found: Text<'_>) -> Arc<str> {
///         found.keep()
///     }
/// }
/// # let request = Request::get("/members/7").body(()).unwrap();
/// # assert_eq!(*FirstSegment::keep(FirstSegment.find(&request)), *"members");
/// ```
#[derive(Debug)]
pub struct Text<'r>(Cow<'r, str>);

impl<'r> Text<'r> {
    /// This text; none is the empty key, and all of more than 256 bytes are one.
    #[must_use]
    pub fn new(text: Option<&'r str>) -> Self {
        let text = text.unwrap_or_default();
        match text.len() {
            0..=LONGEST => Self(Cow::Borrowed(text)),
            _ => Self(Cow::Borrowed(STRANGE)),
        }
    }

    /// This value's, or that of all that cannot be kept.
    fn of(header: &'static str, value: Option<&'r HeaderValue>, is: fn(u8) -> bool) -> Self {
        let Some(value) = value else {
            return Self::new(None);
        };
        let text = value.to_str().ok();
        Self::counted(header, text.filter(|text| text.bytes().all(is)))
    }

    /// This text. None, or one that is too long, is a malformed value of this header, and counted.
    fn counted(header: &'static str, text: Option<&'r str>) -> Self {
        let read = text.filter(|text| text.len() <= LONGEST);
        match ignore_malformed(read.ok_or(Malformed::new(header))) {
            Some(text) => Self::new(Some(text)),
            None => Self(Cow::Borrowed(STRANGE)),
        }
    }

    /// Whichever case it is written in.
    fn in_small_letters(mut self) -> Self {
        if self.0.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.to_mut().make_ascii_lowercase();
        }
        self
    }

    /// Whether it is this key.
    #[must_use]
    pub fn is(&self, key: &Arc<str>) -> bool {
        *self.0 == **key
    }

    /// The key to keep, copied.
    #[must_use]
    pub fn keep(self) -> Arc<str> {
        Arc::from(self.0)
    }
}

/// As the key that is kept.
impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Whom a request is for: the authority in its address (`shop.example:8080`), or else in its `Host` header.
/// Small and capital letters are the same; a port counts if it is written.
///
/// Requests without share the empty key. On a client nobody can forge it. On a server it is what the client
/// wrote: let a router that knows your hosts stand in front. A `Host` that cannot be one, and either of more than
/// 256 bytes, is counted as a malformed `host` and shares a key with all such.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Authority;

impl Finds for Authority {
    type Key = Arc<str>;
}

impl<R: RequestHead> KeyOf<R, Arc<str>> for Authority {
    type Found<'r>
        = Text<'r>
    where
        R: 'r;

    fn find<'r>(&self, request: &'r R) -> Text<'r> {
        let found = match request.authority() {
            // It stands for a `Host`, and is counted as one.
            Some(authority) => Text::counted("host", Some(authority)),
            None => Text::of("host", request.headers().get(HOST), in_authority),
        };
        found.in_small_letters()
    }

    fn is(found: &Text<'_>, key: &Arc<str>) -> bool {
        found.is(key)
    }

    fn keep(found: Text<'_>) -> Arc<str> {
        found.keep()
    }
}

/// Whether it may stand in a host and its port (RFC 3986, 3.2.2 and 3.2.3).
const fn in_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*'
        )
        || matches!(byte, b'+' | b',' | b';' | b'=' | b':' | b'[' | b']')
}

/// The value of one header: an API key, a tenant's name. Of several the first.
///
/// Requests without, or with an empty one, share the empty key. A client can write what it likes: let the value be checked
/// before, by a layer outside this one. The keys are shown in snapshots, so a secret is better exchanged for a
/// name before. It is copied, since a header's value keeps the buffer of the whole head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    name: &'static str,
}

impl Header {
    /// The header of this name.
    ///
    /// # Panics
    ///
    /// When it is no name of a header in small letters; in a constant, that is an error of compilation.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        // It would be dropped, which no constant may.
        mem::forget(HeaderName::from_static(name));
        Self { name }
    }
}

impl Finds for Header {
    type Key = Arc<str>;
}

impl<R: RequestHead> KeyOf<R, Arc<str>> for Header {
    type Found<'r>
        = Text<'r>
    where
        R: 'r;

    fn find<'r>(&self, request: &'r R) -> Text<'r> {
        Text::of(self.name, request.headers().get(self.name), |_| true)
    }

    fn is(found: &Text<'_>, key: &Arc<str>) -> bool {
        found.is(key)
    }

    fn keep(found: Text<'_>) -> Arc<str> {
        found.keep()
    }
}

/// The route that a request takes, as a router notes it in the request's extensions: see [`MatchedRoute`]. (For
/// axum's own see `axum::keys::Route`, feature `axum`.)
///
/// Requests without share the empty key. A client cannot forge it, nor make more of them than there are routes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route;

/// In the extensions of a request: the route that it takes, as the pattern and not the path. Put there by your
/// router.
///
/// ```
/// use buttress::http::keys::MatchedRoute;
/// use http::Request;
///
/// let mut request = Request::get("/members/7").body(())?;
/// request.extensions_mut().insert(MatchedRoute("/members/{id}"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatchedRoute(pub &'static str);

impl Finds for Route {
    type Key = Arc<str>;
}

impl<R: RequestHead> KeyOf<R, Arc<str>> for Route {
    type Found<'r>
        = Text<'r>
    where
        R: 'r;

    fn find<'r>(&self, request: &'r R) -> Text<'r> {
        let noted = request.extensions().and_then(|noted| noted.get());
        Text::new(noted.map(|MatchedRoute(route)| *route))
    }

    fn is(found: &Text<'_>, key: &Arc<str>) -> bool {
        found.is(key)
    }

    fn keep(found: Text<'_>) -> Arc<str> {
        found.keep()
    }
}
