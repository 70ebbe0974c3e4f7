//! Lists the files of `web/`, those of its tests aside, as a table that `src/assets.rs` includes: each as it is, and
//! compressed as well as can be, which takes too long to be done at every request.

use flate2::{Compression, write::GzEncoder};
use std::path::{Path, PathBuf};
use std::{env, fs, io, io::Write};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it")).join("web");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    let mut table = String::from("&[\n");
    for (place, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&root).expect("it lies below").to_str().expect("names are ASCII");
        let packed = out.join(format!("{place}.gz"));
        fs::write(&packed, gzip(&fs::read(file)?)?)?;
        table.push_str(&format!(
            "    (\"{name}\", include_bytes!({file:?}) as &[u8], include_bytes!({packed:?}) as &[u8]),\n"
        ));
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The files below a folder. Cargo is told to look at each folder again: a new file is a change, too.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        } else if path.file_name().is_some_and(|name| name != "tests" && name != "tools") {
            collect(&path, files)?;
        }
    }
    Ok(())
}
