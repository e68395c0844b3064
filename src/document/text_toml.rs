//! TOML as a tree.

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    fault::{Fault, Faults},
    lines::Lines,
    tree::{DEEPEST, Key, MOST, TOO_DEEP, TOO_MUCH, Tree, Value, fault},
};

/// One slip may look like hundreds.
const FAULTS: usize = 10;

pub(super) fn read(text: &str, lines: &Lines) -> Result<Tree, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let told = |error: &Error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        fault("", error.message(), Some(lines.place(at)))
    };
    Faults::none_of(errors.iter().take(FAULTS).map(told).collect())?;
    let mut reader = Reader { lines, left: MOST };
    let value = reader.table(table.into_inner(), DEEPEST)?;
    Ok(Tree::new(value))
}

struct Reader<'a> {
    lines: &'a Lines,
    left: usize,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<_> = table.into_iter().collect();
        // In the order of the text.
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut read = Vec::new();
        for (key, value) in entries {
            let place = Some(self.lines.place(key.span().start));
            let text = key.into_inner().into_owned();
            read.push((Key { text, place }, self.tree(value, depth)?));
        }
        Ok(Value::Map(read))
    }

    fn tree(&mut self, value: Spanned<DeValue<'_>>, depth: usize) -> Result<Tree, Fault> {
        let place = Some(self.lines.place(value.span().start));
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| fault("", TOO_MUCH, place))?;
        let deeper = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| fault("", TOO_DEEP, place))
        };
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Word(text.into_owned()),
            DeValue::Integer(number) => {
                // 0x10 is 16.
                let read = i64::from_str_radix(number.as_str(), number.radix());
                Value::Word(read.map_or_else(|_| number.to_string(), |read| read.to_string()))
            }
            DeValue::Float(number) => Value::Word(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Value::Word(truth.to_string()),
            DeValue::Datetime(time) => Value::Word(time.to_string()),
            DeValue::Array(items) => {
                let depth = deeper()?;
                let items = items.into_iter().map(|item| self.tree(item, depth));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => {
                let depth = deeper()?;
                self.table(table, depth)?
            }
        };
        Ok(Tree { value, place })
    }
}
