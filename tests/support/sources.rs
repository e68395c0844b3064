//! Reads the crate's own source, as far as it takes to see what imports what.

use std::{fs, path::Path};

/// A file of `src`, as it is and without comments and the insides of strings.
pub(crate) struct Source {
    /// Its path in modules: `["breaker", "state"]`; the root and each `mod.rs` end in nothing more.
    pub(crate) modules: Vec<String>,
    pub(crate) is_mod: bool,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = name.trim_end_matches(".rs");
        let is_mod = path == "lib" || path.ends_with("/mod");
        let path = path.trim_end_matches("/mod");
        let modules = path.split('/').filter(|part| *part != "lib");
        Self {
            modules: modules.map(str::to_owned).collect(),
            is_mod,
            name: name.into(),
            text: text.into(),
            code: code_of(text),
        }
    }

    /// The module below the crate's root.
    pub(crate) fn top(&self) -> Option<&str> {
        self.modules.first().map(String::as_str)
    }
}

/// Blanks comments and what stands in string and character literals; lines stay lines.
fn code_of(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => {
                let close = rest.windows(2).position(|two| two == ['*', '/']);
                close.map_or(rest.len(), |close| close + 2)
            }
            ['"', ..] => literal_end(rest, '"'),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => literal_end(rest, '\''),
            _ => {
                code.push(bytes[at]);
                at += 1;
                continue;
            }
        };
        let quote = rest[0] == '"';
        code.extend(quote.then_some('"'));
        code.extend(rest[..end].iter().filter(|c| **c == '\n'));
        code.extend(quote.then_some('"'));
        at += end;
    }
    code
}

/// Where the literal that begins here ends.
fn literal_end(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Every path that begins with `crate` or `super`, groups in braces taken apart; and how many modules
/// written inside the file it stands in.
pub(crate) fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = matches!(tokens[at].as_str(), "crate" | "super")
            && tokens.get(at + 1).is_some_and(|next| next == "::");
        if begins {
            let depth = braces.iter().filter(|is_mod| **is_mod).count();
            let mut found = Vec::new();
            at = tree(&tokens, at, &[], &mut found);
            paths.extend(found.into_iter().map(|path| (depth, path)));
            continue;
        }
        match tokens[at].as_str() {
            "{" => braces.push(at >= 2 && tokens[at - 2] == "mod"),
            "}" => drop(braces.pop()),
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Words, `::`, and single signs.
pub(crate) fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::<String>::new();
    let mut in_word = false;
    for c in code.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.push(c),
            Some(last) if c == ':' && last == ":" => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.into()),
        }
        in_word = is_word;
    }
    tokens
}

/// Follows one path from here, into groups; says where it ends.
fn tree(tokens: &[String], mut at: usize, before: &[String], into: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at, &path, into);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some(word) => path.push(word.to_owned()),
            None => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    // What `use x as y` is called here does not matter.
    if tokens.get(at).is_some_and(|token| token == "as") {
        at += 2;
    }
    into.push(path);
    at
}

/// Every path out of a group in braces that begins with one of these: `use std::{fmt, sync::Arc}`.
pub(crate) fn grouped(code: &str, roots: &[&str]) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let begins = roots.contains(&tokens[at].as_str());
        if begins && tokens.get(at + 2).is_some_and(|token| token == "{") {
            tree(&tokens, at, &[], &mut found);
        }
    }
    found
}

/// All of `src`.
pub(crate) fn sources() -> Vec<Source> {
    fn walk(folder: &Path, into: &mut Vec<Source>) {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.strip_prefix("src").unwrap().to_str().unwrap();
                let text = fs::read_to_string(&path).unwrap();
                into.push(Source::new(&name.replace('\\', "/"), &text));
            }
        }
    }
    let mut sources = Vec::new();
    walk(Path::new("src"), &mut sources);
    assert!(sources.len() > 20, "this is the crate");
    sources
}
