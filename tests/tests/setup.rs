//! What `scripts/setup.sh` finds on a machine, judged on machines that are made up: a folder to look for libclang in,
//! and a PATH. `scripts/fresh.sh` tries real ones.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::{ffi::OsString, fs, process::Command};
use tempfile::TempDir;

/// A libclang that reads what it is given as `FIRST_ERROR` says: not at all, or without an error.
const LIBCLANG: &str = r#"
#include <stddef.h>
struct string { const void *data; unsigned flags; };
void *clang_createIndex(int a, int b) { return NULL; }
int clang_parseTranslationUnit2(void *index, const char *name, const char *const *options, int count, void *files,
                                unsigned files_count, unsigned flags, void **unit) {
    static int made;
    *unit = &made;
    return 0;
}
unsigned clang_getNumDiagnostics(void *unit) { return FIRST_ERROR == NULL ? 0 : 1; }
void *clang_getDiagnostic(void *unit, unsigned index) { return unit; }
int clang_getDiagnosticSeverity(void *diagnostic) { return 3; }
struct string clang_getDiagnosticSpelling(void *diagnostic) { return (struct string){FIRST_ERROR, 0}; }
const char *clang_getCString(struct string text) { return text.data; }
"#;

/// What `setup.sh` calls, besides the shell's own commands.
const CALLED: &[&str] = &[
    "as", "bash", "basename", "cargo", "cat", "c++", "cc", "curl", "dirname", "grep", "head", "jq", "ld", "make",
    "mktemp", "rm", "rustup", "sed", "sort", "tr",
];

/// A machine: where its libraries are, and its programs.
struct Machine {
    root: TempDir,
    programs: PathBuf,
}

impl Machine {
    /// Programs as this machine has them, and no libclang.
    fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        let programs = root.path().join("programs");
        fs::create_dir(&programs).expect("a directory");
        let machine = Self { root, programs };
        for name in CALLED {
            if let Some(path) = on_path(name) {
                symlink(path, machine.programs.join(name)).expect("a link");
            }
        }
        machine
    }

    /// The same with a libclang that works.
    fn whole() -> Self {
        let machine = Self::new();
        machine.libclang("usr/lib/llvm-14/lib/libclang.so.14", "NULL");
        machine
    }

    fn library(&self, path: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        path
    }

    /// Puts a libclang there whose first error is the C expression `error`.
    fn libclang(&self, path: &str, error: &str) {
        let source = self.root.path().join("libclang.c");
        fs::write(&source, LIBCLANG).expect("written");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-w"])
            .arg(format!("-DFIRST_ERROR={error}"))
            .arg(&source)
            .arg("-o")
            .arg(self.library(path))
            .output()
            .expect("a compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    /// Replaces a program by a script.
    fn program(&self, name: &str, script: &str) {
        let path = self.programs.join(name);
        fs::remove_file(&path).ok();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// What `setup.sh --check` says; `None` when nothing is missing.
    fn missing(&self) -> Option<String> {
        let mut command = Command::new("bash");
        command.arg(repository().join("scripts/setup.sh")).arg("--check").arg(self.root.path());
        for name in ["CC", "CXX", "LIBCLANG_PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH"] {
            command.env_remove(name);
        }
        // env.sh appends where rustup puts its programs, and `cc` looks below itself.
        let mut path = OsString::from(&self.programs);
        path.push(":/nonexistent");
        let output = command.env("PATH", path).output().expect("bash");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {
                assert_eq!(said, "", "silent when all is there");
                None
            }
            Some(1) => Some(said),
            other => panic!("ended with {other:?}: {said}"),
        }
    }

    /// Asserts that exactly this package is missing, and that the sentence says why.
    #[track_caller]
    fn lacks(&self, package: &str, why: &str) {
        let said = self.missing().expect("something is missing");
        assert!(said.contains(why), "expected «{why}» in: {said}");
        assert!(said.ends_with(&format!("missing: {package}\n")), "{said}");
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository")
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[test]
fn nothing_is_missing_where_all_is_there() {
    assert_eq!(Machine::whole().missing(), None);
}

#[test]
fn libclang_cpp_is_not_libclang() {
    let machine = Machine::new();
    machine.libclang("usr/lib/llvm-14/lib/libclang-cpp.so.14", "NULL");
    machine.libclang("usr/lib/x86_64-linux-gnu/libclang-cpp.so.14", "NULL");
    machine.lacks("libclang-dev", "there is no libclang in the folders of libraries");
}

#[test]
fn a_libclang_without_the_compilers_headers_is_missing() {
    let machine = Machine::new();
    machine.libclang("usr/lib/x86_64-linux-gnu/libclang-14.so.1", r#""'stddef.h' file not found""#);
    machine.lacks("libclang-dev", "does not read a line of C: 'stddef.h' file not found");
}

#[test]
fn a_libclang_that_does_not_load_is_missing() {
    let machine = Machine::new();
    fs::write(machine.library("usr/lib/libclang.so.14"), b"\x7fELF and no more").expect("written");
    machine.lacks("libclang-dev", "usr/lib/libclang.so.14, which would read RocksDB's headers, does not read");
}

#[test]
fn a_file_that_is_no_library_is_not_looked_at() {
    let machine = Machine::whole();
    fs::write(machine.library("usr/local/lib/libclang.so.99"), b"INPUT(-lclang-99)").expect("written");
    assert_eq!(machine.missing(), None);
}

#[test]
fn of_several_libclangs_the_one_that_bindgen_loads_is_tried() {
    let machine = Machine::whole();
    fs::write(machine.library("usr/lib/llvm-9/lib/libclang-9.so"), b"\x7fELF and no more").expect("written");
    assert_eq!(machine.missing(), None, "14 comes before 9");
    fs::write(machine.library("usr/lib/llvm-19/lib/libclang-19.so.19"), b"\x7fELF and no more").expect("written");
    machine.lacks("libclang-dev", "libclang-19.so.19");
}

#[test]
fn a_compiler_without_its_headers_or_too_old_is_missing() {
    let real = on_path("c++").expect("a compiler");
    let machine = Machine::whole();
    machine.program("c++", &format!("exec {} -nostdinc++ \"$@\"", real.display()));
    machine.lacks("g++", "the C++ compiler c++ does not compile a C++20 program");
    machine.program("c++", "echo \"unrecognized command line option '-std=c++20'\" >&2; exit 1");
    machine.lacks("g++", "unrecognized command line option '-std=c++20'");
}

#[test]
fn without_a_c_compiler_libclang_cannot_be_judged_and_is_not() {
    let machine = Machine::whole();
    fs::remove_file(machine.programs.join("cc")).expect("it was there");
    machine.lacks("g++", "the C compiler cc does not compile and link a program");
}

#[test]
fn programs_that_are_missing_or_do_not_run_are_named() {
    let machine = Machine::whole();
    fs::remove_file(machine.programs.join("jq")).expect("it was there");
    machine.lacks("jq", "jq is missing");
    let machine = Machine::whole();
    machine.program("make", "echo 'error while loading shared libraries: libguile' >&2; exit 127");
    machine.lacks("make", "make does not run: error while loading shared libraries: libguile");
}
