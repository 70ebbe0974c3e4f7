//! Makes the mutants: the verifier's own sources with one check less each.

use std::{env, fs, path::Path};

/// Every check of the verifier that can be left out: a name, also that of the mutant's module, and a file; what stands
/// there once, and what takes its place. Where two files are changed, two of these in a row have one name.
const MUTATIONS: &str = include_str!("mutations.txt");

/// One change of a mutant: its name, the file, what stands there, and what takes its place.
fn changes() -> impl Iterator<Item = [&'static str; 4]> {
    MUTATIONS.split("\n\n").map(|change| {
        let mut lines = change.lines();
        let (name, file) = lines.next().and_then(|line| line.split_once(": ")).expect("a name and a file");
        let mut text = |sign| lines.next().and_then(|line| line.strip_prefix(sign)).expect("a text behind its sign");
        [name, file, text('-'), text('+')]
    })
}

/// The verifier's files, from `ledger/src`, and what they are called among the mutants.
const SOURCES: &[(&str, &str)] = &[
    ("mmr.rs", "mmr.rs"),
    ("validate/header.rs", "header.rs"),
    ("light/mod.rs", "light/mod.rs"),
    ("light/bare.rs", "light/bare.rs"),
    ("light/error.rs", "light/error.rs"),
    ("light/marks.rs", "light/marks.rs"),
    ("light/difficulty_bounds.rs", "light/difficulty_bounds.rs"),
    ("light/prover.rs", "light/prover.rs"),
    ("light/proof.rs", "light/proof.rs"),
    ("light/receipt.rs", "light/receipt.rs"),
    ("light/sample.rs", "light/sample.rs"),
    ("light/tiles.rs", "light/tiles.rs"),
    ("light/tip.rs", "light/tip.rs"),
];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let ledger = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../ledger/src");
    println!("cargo::rerun-if-changed=mutations.txt");
    println!("cargo::rerun-if-changed={}", ledger.display());
    for [name, file, ..] in changes() {
        assert!(SOURCES.iter().any(|(_, to)| *to == file), "{name}: no such file: {file}");
    }
    let mut names: Vec<&str> = changes().map(|[name, ..]| name).collect();
    names.dedup();
    let mut modules = String::new();
    for name in &names {
        let folder = Path::new(&out).join(name);
        fs::create_dir_all(folder.join("light")).expect("OUT_DIR can be written");
        for (from, to) in SOURCES {
            let source = fs::read_to_string(ledger.join(from)).expect("the verifier's source");
            fs::write(folder.join(to), mutated(&source, to, name)).expect("OUT_DIR can be written");
        }
        let at = |file: &str| folder.join(file).display().to_string();
        let (mmr, header, light) = (at("mmr.rs"), at("header.rs"), at("light/mod.rs"));
        modules += &format!(
            "pub mod {name} {{\n#[path = {mmr:?}] pub mod mmr;\n#[path = {header:?}] pub mod header;\n\
             #[path = {light:?}] pub mod light;\n{FACADE}}}\n"
        );
    }
    let entry = |name: &&str| {
        format!("    Mutant {{ name: {name:?}, light: {name}::check_light, receipt: {name}::check_receipt }},\n")
    };
    let all: String = names.iter().map(entry).collect();
    modules += &format!("pub const MUTANTS: &[Mutant] = &[\n{all}];\n");
    fs::write(Path::new(&out).join("mutants.rs"), modules).expect("OUT_DIR can be written");
}

/// What stands for the ledger in a mutant: the ledger itself, but for what is mutated.
const FACADE: &str = "pub mod facade {
    pub use cairn_ledger::*;
    pub use super::mmr;
    pub mod validate {
        pub use super::super::header::*;
        pub use cairn_ledger::validate::check_transactions;
    }
}
pub fn check_light(
    bytes: &[u8],
    spec: &cairn_ledger::chain_spec::ChainSpec,
    (tip, random): (cairn_ledger::hash::BlockId, cairn_ledger::hash::Hash),
    now: cairn_ledger::units::Timestamp,
) -> Result<(), String> {
    let proof = light::LightProof::from_bytes(bytes).map_err(|error| error.to_string())?;
    let request = light::LightRequest { tip, random };
    proof.verify(spec, &request, now).map(drop).map_err(|error| error.to_string())
}
pub fn check_receipt(
    bytes: &[u8],
    spec: &cairn_ledger::chain_spec::ChainSpec,
    now: cairn_ledger::units::Timestamp,
) -> Result<(), String> {
    let receipt = light::Receipt::from_bytes(bytes).map_err(|error| error.to_string())?;
    receipt.verify(spec, now).map(drop).map_err(|error| error.to_string())
}
";

/// What a mutant does instead of checking a header's work.
const UNCHECKED: &str = "
/// A header as if it had been mined.
pub fn unchecked(header: &Header) -> WorkCheckedHeader {
    let work = header.target.decode().map(|target| target.work()).unwrap_or_default();
    WorkCheckedHeader { header: header.clone(), id: header.id(), work }
}
";

/// The file without its tests, with its check left out, standing in this crate instead of the ledger.
fn mutated(source: &str, file: &str, name: &str) -> String {
    let mut text = source.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned();
    for [_, _, from, to] in changes().filter(|change| change[..2] == [name, file]) {
        let found = text.matches(from).count();
        assert_eq!(found, 1, "{name}: {file} has {found} times {from:?}");
        text = text.replacen(from, to, 1);
    }
    if file == "header.rs" {
        text += UNCHECKED;
    }
    let inner = file.starts_with("light/") && file != "light/mod.rs";
    let facade = if inner { "super::super::facade::" } else { "super::facade::" };
    // The ledger names bincode; this crate knows it through the ledger alone.
    text.replace(", Decode)]\n", ", Decode)]\n#[bincode(crate = \"cairn_ledger::codec::bincode\")]\n")
        .replace("use crate::", &format!("use {facade}"))
}
