//! Planted bugs: what there are, and a copy of the sources that has all of them.
//!
//! Each is a line of production code and what takes its place ([`Planted`]); the words stand in `simulator/faults`. One
//! build has all of them: which one is seen is decided when it runs, by the variable `CAIRN_FAULT`. Production's
//! sources stay untouched, and know nothing of this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What it is called.
    pub name: String,
    /// What kind of bug it is.
    pub kind: String,
    /// The file that it is in, from the root of the sources.
    pub file: String,
    /// What stands there once.
    pub from: String,
    /// What takes its place, with the word `FAULT` where something decides whether the bug is seen.
    pub to: String,
}

/// Why bugs cannot be planted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum FaultError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(
        "{list}: expected a comment, `name: file`, a line that begins with `-` and one that begins with `+`: {got:?}"
    )]
    Form { list: String, got: String },
    #[error("{name}: two faults have this name")]
    Name { name: String },
    #[error("{name}: what takes the place of a text needs the word FAULT")]
    NoWord { name: String },
    #[error("{name}: {file} has this {count} times, expected once; write the fault anew: {from:?}")]
    Place { name: String, file: String, count: usize, from: String },
    #[error("{name} and {other}: both change the same place of {file}")]
    Overlap { name: String, other: String, file: String },
}

/// The word in a fault's text that stands for its being the planted one.
const WORD: &str = "FAULT";
/// Where the function is that says which bug is planted.
const HOME: &str = "ledger/src/lib.rs";
const FUNCTION: &str = "
extern crate std;
/// Whether the planted bug of this name is to be seen.
pub fn planted(name: &str) -> bool {
    static NAME: std::sync::OnceLock<std::string::String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var(\"CAIRN_FAULT\").unwrap_or_default()) == name
}
";

/// Reads all lists under the root of the sources.
///
/// # Errors
/// A file, a form that is none, or a name that is there twice.
pub fn read(root: &Path) -> Result<Vec<Planted>, FaultError> {
    let folder = root.join("simulator/faults");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| FaultError::File { path, error }
    };
    let entries = fs::read_dir(&folder).map_err(failed(&folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<BTreeSet<_>, _>>();
    let mut all = Vec::new();
    for path in paths.map_err(failed(&folder))?.iter().filter(|path| path.extension().is_some_and(|is| is == "txt")) {
        let text = fs::read_to_string(path).map_err(failed(path))?;
        all.extend(parse(&path.display().to_string(), &text)?);
    }
    let mut names = BTreeSet::new();
    match all.iter().find(|fault| !names.insert(&fault.name)) {
        Some(fault) => Err(FaultError::Name { name: fault.name.clone() }),
        None => Ok(all),
    }
}

fn parse(list: &str, text: &str) -> Result<Vec<Planted>, FaultError> {
    text.trim_end().split("\n\n").map(|entry| parse_one(list, entry)).collect()
}

fn parse_one(list: &str, entry: &str) -> Result<Planted, FaultError> {
    let wrong = || FaultError::Form { list: list.to_owned(), got: entry.to_owned() };
    let lines: Vec<&str> = entry.lines().collect();
    let [kind, place, from, to] = lines.as_slice() else { return Err(wrong()) };
    let (name, file) = place.split_once(": ").ok_or_else(wrong)?;
    let after = |line: &str, sign: &str| line.strip_prefix(sign).map(str::to_owned).ok_or_else(wrong);
    let (kind, from, to) = (after(kind, "# ")?, after(from, "-")?, after(to, "+")?);
    let (name, file) = (name.to_owned(), file.to_owned());
    if to.contains(WORD) { Ok(Planted { name, kind, file, from, to }) } else { Err(FaultError::NoWord { name }) }
}

/// A file with all the faults that belong into it.
///
/// # Errors
/// A text that is not there exactly once, or two faults at one place.
pub fn plant(file: &str, source: &str, faults: &[&Planted]) -> Result<String, FaultError> {
    let home = if file.starts_with("ledger/") { "crate" } else { "cairn_ledger" };
    let mut places = BTreeMap::new();
    for fault in faults {
        let Planted { name, from, .. } = *fault;
        let found: Vec<usize> = source.match_indices(from).map(|(at, _)| at).collect();
        let [at] = found.as_slice() else {
            let (name, file, count, from) = (name.clone(), file.to_owned(), found.len(), from.clone());
            return Err(FaultError::Place { name, file, count, from });
        };
        if let Some(other) = places.insert(*at, *fault) {
            return Err(overlap(fault, other));
        }
    }
    let (mut planted, mut done) = (String::new(), 0);
    let mut before: Option<&Planted> = None;
    for (at, fault) in places {
        let between = source.get(done..at).ok_or_else(|| overlap(fault, before.unwrap_or(fault)))?;
        planted += between;
        planted += &fault.to.replace(WORD, &format!("{home}::planted({:?})", fault.name));
        (done, before) = (at + fault.from.len(), Some(fault));
    }
    planted += source.get(done..).unwrap_or_default();
    Ok(if file == HOME { planted + FUNCTION } else { planted })
}

fn overlap(fault: &Planted, other: &Planted) -> FaultError {
    FaultError::Overlap { name: fault.name.clone(), other: other.name.clone(), file: fault.file.clone() }
}

/// The files that have faults, from the root of the sources, and what they are with them.
///
/// # Errors
/// Those of [`read`] and [`plant`], or a file that is not there.
pub fn planted(root: &Path) -> Result<BTreeMap<String, String>, FaultError> {
    let all = read(root)?;
    let files: BTreeSet<&str> = all.iter().map(|fault| &*fault.file).chain([HOME]).collect();
    let with = |file: &str| -> Result<(String, String), FaultError> {
        let path = root.join(file);
        let source = fs::read_to_string(&path).map_err(|error| FaultError::File { path, error })?;
        let theirs: Vec<&Planted> = all.iter().filter(|fault| fault.file == file).collect();
        Ok((file.to_owned(), plant(file, &source, &theirs)?))
    };
    files.into_iter().map(with).collect()
}

/// Writes the files that have faults over a copy of the sources.
///
/// # Errors
/// Those of [`planted`], or a file that cannot be written.
pub fn write(root: &Path, copy: &Path) -> Result<(), FaultError> {
    for (file, text) in planted(root)? {
        let path = copy.join(file);
        // What is the same is left alone, so that it need not be built anew.
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(&path, text).map_err(|error| FaultError::File { path, error })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, from: &str) -> Planted {
        let (file, to) = (String::from("chain/src/lib.rs"), String::from("b || FAULT"));
        Planted { name: name.to_owned(), kind: String::new(), file, from: from.to_owned(), to }
    }

    #[test]
    fn a_fault_takes_the_place_of_what_stands_there_once() {
        let plant = |source: &str, faults: &[&Planted]| plant("chain/src/lib.rs", source, faults);
        let (one, other) = (fault("one", "b"), fault("other", "bc"));
        assert_eq!(plant("a b d", &[&one]).expect("once"), "a b || cairn_ledger::planted(\"one\") d");
        for (source, count) in [("a d", "0 times"), ("a b b", "2 times")] {
            let error = plant(source, &[&one]).expect_err("not once").to_string();
            assert!(error.contains(count), "{error}");
        }
        assert!(matches!(plant("abcd", &[&one, &other]), Err(FaultError::Overlap { .. })));
        let ledger = super::plant(HOME, "b", &[&one]).expect("once");
        assert!(ledger.starts_with("b || crate::planted(\"one\")\nextern crate std;"), "{ledger}");
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let good = "# a kind\nname: file.rs\n-a\n+b || FAULT\n";
        assert_eq!(parse("list", good).expect("one").len(), 1);
        for wrong in [good.replace("# a kind\n", ""), good.replace("-a\n", ""), good.replace(": ", " ")] {
            assert!(matches!(parse("list", &wrong), Err(FaultError::Form { .. })), "{wrong}");
        }
        assert!(matches!(parse("list", &good.replace("FAULT", "true")), Err(FaultError::NoWord { .. })));
    }
}
