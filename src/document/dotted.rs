//! Keys with dots in them, as property files have them.

use super::{
    fault::Fault,
    tree::{Entries, Key, Tree, Value, fault},
};

/// `a.b: c` is `a: { b: c }`.
pub(super) fn spread(tree: Tree, faults: &mut Vec<Fault>) -> Tree {
    let Value::Map(entries) = tree.value else {
        return tree;
    };
    let mut all = Entries::new();
    for (key, tree) in entries {
        let tree = spread(tree, faults);
        add(&mut all, &key, &key.text, tree, faults);
    }
    Tree {
        value: Value::Map(all),
        place: tree.place,
    }
}

/// Puts it where its key leads to. `text` is what is left of the key.
fn add(entries: &mut Entries, key: &Key, text: &str, tree: Tree, faults: &mut Vec<Fault>) {
    let (first, rest) = match text.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    };
    let place = tree.place.or(key.place);
    let at = entries.iter().position(|(known, _)| known.text == first);
    let Some(at) = at else {
        let value = match (rest, tree.value) {
            (None, value) => value,
            (Some(rest), value) => {
                let mut inner = Entries::new();
                add(&mut inner, key, rest, Tree { value, place }, faults);
                Value::Map(inner)
            }
        };
        let own = Key {
            text: first.to_owned(),
            place: key.place,
        };
        entries.push((own, Tree { value, place }));
        return;
    };
    match (&mut entries[at].1.value, rest, tree.value) {
        (Value::Map(inner), Some(rest), value) => {
            add(inner, key, rest, Tree { value, place }, faults);
        }
        (Value::Map(inner), None, Value::Map(others)) => {
            for (key, tree) in others {
                add(inner, &key, &key.text, tree, faults);
            }
        }
        _ => {
            let message = "is given once as a value, and once as a group";
            faults.push(fault(&key.text, message, key.place));
        }
    }
}
