//! Makes the mutants: the verifier's own sources with one check less each.

use std::{env, fs, path::Path};

#[path = "mutations.rs"]
mod mutations;

/// The verifier's files, from `ledger/src`, and what they are called among the mutants.
const SOURCES: &[(&str, &str)] = &[
    ("mmr.rs", "mmr.rs"),
    ("validate/header.rs", "header.rs"),
    ("light/mod.rs", "light/mod.rs"),
    ("light/bare.rs", "light/bare.rs"),
    ("light/error.rs", "light/error.rs"),
    ("light/marks.rs", "light/marks.rs"),
    ("light/difficulty_bounds.rs", "light/difficulty_bounds.rs"),
    ("light/plan.rs", "light/plan.rs"),
    ("light/proof.rs", "light/proof.rs"),
    ("light/receipt.rs", "light/receipt.rs"),
    ("light/sample.rs", "light/sample.rs"),
    ("light/tiles.rs", "light/tiles.rs"),
    ("light/tip.rs", "light/tip.rs"),
];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let ledger = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../ledger/src");
    println!("cargo::rerun-if-changed=mutations.rs");
    println!("cargo::rerun-if-changed={}", ledger.display());
    let mut modules = String::new();
    for mutation in mutations::MUTATIONS {
        let folder = Path::new(&out).join(mutation.name);
        fs::create_dir_all(folder.join("light")).expect("OUT_DIR can be written");
        for (from, to) in SOURCES {
            let source = fs::read_to_string(ledger.join(from)).expect("the verifier's source");
            fs::write(folder.join(to), mutated(&source, to, mutation)).expect("OUT_DIR can be written");
        }
        for (file, ..) in mutation.changes {
            assert!(SOURCES.iter().any(|(_, to)| to == file), "{}: no such file: {file}", mutation.name);
        }
        let at = |file: &str| folder.join(file).display().to_string();
        let (mmr, header, light) = (at("mmr.rs"), at("header.rs"), at("light/mod.rs"));
        modules += &format!(
            "pub mod {} {{\n#[path = {mmr:?}] pub mod mmr;\n#[path = {header:?}] pub mod header;\n\
             #[path = {light:?}] pub mod light;\n{FACADE}}}\n",
            mutation.name
        );
    }
    let entry = |name: &str| {
        format!("    Mutant {{ name: {name:?}, light: {name}::check_light, receipt: {name}::check_receipt }},\n")
    };
    let all: String = mutations::MUTATIONS.iter().map(|mutation| entry(mutation.name)).collect();
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
pub fn unchecked(header: &Header) -> SealedHeader {
    let work = header.target.decode().map(|target| target.work()).unwrap_or_default();
    SealedHeader { header: header.clone(), id: header.id(), work }
}
";

/// The file without its tests, with its check left out, standing in this crate instead of the ledger.
fn mutated(source: &str, file: &str, mutation: &mutations::Mutation) -> String {
    let mut text = source.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned();
    for (changed, from, to) in mutation.changes.iter().filter(|(changed, ..)| *changed == file) {
        let found = text.matches(from).count();
        assert_eq!(found, 1, "{}: {changed} has {found} times {from:?}", mutation.name);
        text = text.replacen(from, to, 1);
    }
    if file == "header.rs" {
        text += UNCHECKED;
    }
    let inner = file.starts_with("light/") && file != "light/mod.rs";
    let facade = if inner { "super::super::facade::" } else { "super::facade::" };
    text.replace("crate::codec::bincode", "cairn_ledger::codec::bincode")
        .replace("use crate::", &format!("use {facade}"))
}
