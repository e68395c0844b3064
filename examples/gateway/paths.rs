//! What a path says to whoever reads it: the gateway's rules hold only if the upstream reads the same.

use std::borrow::Cow;

use crate::refusal::Refusal;

/// The path by which a route is found, with the escapes of plain letters resolved: `/%6dembers` is `/members`
/// (RFC 3986, section 6.2.2.2). What some servers resolve further, and others do not, would be found behind
/// another route's limits: that is refused.
pub fn read(path: &str) -> Result<Cow<'_, str>, Refusal> {
    // Most paths have nothing of the kind.
    let bytes = path.as_bytes();
    let odd = |at: usize| match bytes[at] {
        b'%' | b'\\' => true,
        b'/' => matches!(bytes.get(at + 1), Some(b'/' | b'.')),
        _ => false,
    };
    if !(0..bytes.len()).any(odd) {
        return Ok(Cow::Borrowed(path));
    }
    let path = unescaped(path)?;
    let slashes = path.contains("//") || path.contains('\\');
    // What follows a semicolon is a parameter for some, and dropped before dots are resolved.
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    match slashes || path.split('/').any(dots) {
        true => Err(Refusal::Path),
        false => Ok(path),
    }
}

/// Resolves the escapes of what needs none, and leaves the others. Those of separators are refused.
fn unescaped(path: &str) -> Result<Cow<'_, str>, Refusal> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut parts = path.split('%');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // A sign would be read as part of a number.
        let digits = part.get(..2).filter(|it| !it.starts_with('+'));
        let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
        match byte.ok_or(Refusal::Path)? {
            b'/' | b'\\' | 0 => return Err(Refusal::Path),
            // With the semicolon, so that dots before it are seen.
            byte if byte.is_ascii_alphanumeric() || b"-._~;".contains(&byte) => {
                read.push(byte.into());
                read.push_str(&part[2..]);
            }
            _ => {
                read.push('%');
                read.push_str(part);
            }
        }
    }
    Ok(Cow::Owned(read))
}
