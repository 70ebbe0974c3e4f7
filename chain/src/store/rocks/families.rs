//! The names of column families. A table's is its own name, until it is written anew: then a number follows.

use crate::store::schema;
use std::collections::BTreeMap;

/// The column family of each table that was written anew: its number. Others have the table's name.
pub(super) type Anew = BTreeMap<&'static str, u32>;

/// The column family of a table that was written anew, once or more often.
pub(super) fn family_name(table: &str, number: u32) -> String {
    format!("{table}.{number}")
}

/// The column family, always empty, that says that this one is whole: where RocksDB keeps their names it begins to be
/// there in one step, and no file of it can be damaged.
pub(super) fn whole_name(table: &str, number: u32) -> String {
    format!("{table}.{number}.whole")
}

/// The table that a column family is of, how often that was written anew before, and whether it only says that that one
/// is whole.
pub(super) fn parse(family: &str) -> Option<(&'static str, u32, bool)> {
    let mut parts = family.split('.');
    let name = parts.next()?;
    let table = schema::TABLES.iter().copied().find(|table| *table == name)?;
    let number = parts.next().map_or(Some(0), |number| number.parse().ok())?;
    Some((table, number, parts.next().is_some()))
}

/// The table that a column family is of.
pub(super) fn table_of(family: &str) -> Option<&'static str> {
    parse(family).map(|(table, ..)| table)
}

/// Which column family each table has, of those there are: the last that is whole, or else what was there first.
pub(super) fn anew_in(families: &[String]) -> Anew {
    let parsed: Vec<_> = families.iter().filter_map(|family| parse(family)).collect();
    let of = |table, whole| {
        let of_table = parsed.iter().filter(move |(of, _, is_mark)| *of == table && *is_mark == whole);
        of_table.map(|(_, number, _)| *number)
    };
    let numbers =
        schema::TABLES.iter().filter_map(|table| Some((*table, of(*table, true).max().or(of(*table, false).min())?)));
    numbers.filter(|(_, number)| *number > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash may come between any two steps of writing a table anew, and of removing what it was.
    #[test]
    fn a_table_is_the_last_that_is_whole_or_else_what_was_there_first() {
        let table = "roots_by_part";
        for (families, expected) in [
            (vec![table], 0),
            (vec![table, "roots_by_part.1"], 0),
            (vec![table, "roots_by_part.1", "roots_by_part.1.whole"], 1),
            (vec!["roots_by_part.1", "roots_by_part.1.whole", "roots_by_part.2"], 1),
            (vec!["roots_by_part.1", "roots_by_part.1.whole", "roots_by_part.2", "roots_by_part.2.whole"], 2),
            (vec!["roots_by_part.1", "roots_by_part.2", "roots_by_part.2.whole"], 2),
            (vec!["roots_by_part.1"], 1),
        ] {
            let families: Vec<String> = families.into_iter().map(str::to_owned).collect();
            assert_eq!(anew_in(&families).get(table).copied().unwrap_or(0), expected, "{families:?}");
        }
    }
}
