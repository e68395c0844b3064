//! YAML as a tree.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    fault::Fault,
    keys::shown,
    tree::{DEEPEST, Key, MOST, Place, TOO_DEEP, TOO_MUCH, Tree, Value, fault},
};

pub(super) fn read(text: &str) -> Result<Tree, Fault> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        left: MOST,
    };
    let mut read = None;
    loop {
        let (event, place) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if read.is_some() => {
                return Err(fault("", "expected one document, found two", Some(place)));
            }
            Event::DocumentStart(_) => {
                let (event, place) = reader.next()?;
                read = Some(reader.tree(event, place, DEEPEST)?);
            }
            _ => {}
        }
    }
    Ok(read.unwrap_or(Tree::new(Value::Null)))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What has a name, and how much it is.
    anchors: BTreeMap<usize, (Tree, usize)>,
    left: usize,
}

fn place(at: &Marker) -> Place {
    Place {
        line: at.line().max(1),
        column: at.col() + 1,
    }
}

type Tagged<'a> = Option<Cow<'a, Tag>>;

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Fault> {
        let next: Option<Result<(Event<'a>, Span), ScanError>> = self.parser.next();
        match next {
            Some(Ok((event, span))) => Ok((event, place(&span.start))),
            Some(Err(error)) => Err(fault("", error.info(), Some(place(error.marker())))),
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    fn take(&mut self, amount: usize, at: Place) -> Result<(), Fault> {
        let left = self.left.checked_sub(amount);
        self.left = left.ok_or_else(|| fault("", TOO_MUCH, Some(at)))?;
        Ok(())
    }

    fn tree(&mut self, event: Event<'a>, at: Place, depth: usize) -> Result<Tree, Fault> {
        let before = self.left;
        self.take(1, at)?;
        let deeper = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| fault("", TOO_DEEP, Some(at)))
        };
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                untagged(&tag, at)?;
                // A long word that is repeated is much, too.
                self.take(text.len() / 16, at)?;
                let null = matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                match null && style == ScalarStyle::Plain {
                    true => (Value::Null, anchor),
                    false => (Value::Word(text.into_owned()), anchor),
                }
            }
            Event::SequenceStart(anchor, tag) => {
                untagged(&tag, at)?;
                (self.list(deeper()?)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                untagged(&tag, at)?;
                (self.map(deeper()?)?, anchor)
            }
            Event::Alias(anchor) => {
                let unknown = || {
                    fault(
                        "",
                        "unknown alias: nothing before it is called so",
                        Some(at),
                    )
                };
                let (tree, amount) = self.anchors.get(&anchor).ok_or_else(unknown)?;
                let (tree, amount) = (tree.clone(), *amount);
                self.take(amount, at)?;
                // What it repeats must not be deeper than what may stand here.
                if levels(&tree) > depth {
                    return Err(fault("", TOO_DEEP, Some(at)));
                }
                return Ok(tree);
            }
            _ => return Err(fault("", "expected a value", Some(at))),
        };
        let tree = Tree {
            value,
            place: Some(at),
        };
        // Zero is no name.
        if anchor > 0 {
            self.anchors
                .insert(anchor, (tree.clone(), before - self.left));
        }
        Ok(tree)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.tree(event, at, depth)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let key = match self.tree(event, at, depth)?.value {
                Value::Word(text) => text,
                Value::Null => "~".into(),
                Value::List(_) | Value::Map(_) => {
                    return Err(fault("", "expected a word as key", Some(at)));
                }
            };
            let (event, from) = self.next()?;
            let tree = self.tree(event, from, depth)?;
            match plain && key == "<<" {
                true => merged.push(tree),
                false => entries.push((
                    Key {
                        text: key,
                        place: Some(at),
                    },
                    tree,
                )),
            }
        }
        for tree in merged {
            self.merge(tree, &mut entries)?;
        }
        Ok(Value::Map(entries))
    }

    /// `<<: *defaults`, of YAML 1.1, which many write: what is not given is taken from there.
    fn merge(&mut self, tree: Tree, entries: &mut Vec<(Key, Tree)>) -> Result<(), Fault> {
        let at = tree.place;
        match tree.value {
            Value::Map(others) => {
                let known = entries.iter().map(|(key, _)| key.text.clone());
                let known: BTreeSet<_> = known.collect();
                entries.extend(
                    others
                        .into_iter()
                        .filter(|(key, _)| !known.contains(&key.text)),
                );
                Ok(())
            }
            Value::List(items) => items
                .into_iter()
                .try_for_each(|item| self.merge(item, entries)),
            Value::Null | Value::Word(_) => Err(fault("", "expected a map to be merged", at)),
        }
    }
}

/// What a foreign tag means is not known here.
fn untagged(tag: &Tagged<'_>, at: Place) -> Result<(), Fault> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            let tag = shown(&format!("{}{}", tag.handle, tag.suffix));
            Err(fault("", format!("unknown tag `{tag}`"), Some(at)))
        }
        _ => Ok(()),
    }
}

/// How many levels of lists and maps.
fn levels(tree: &Tree) -> usize {
    match &tree.value {
        Value::Null | Value::Word(_) => 0,
        Value::List(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Map(entries) => {
            1 + entries
                .iter()
                .map(|(_, tree)| levels(tree))
                .max()
                .unwrap_or(0)
        }
    }
}
