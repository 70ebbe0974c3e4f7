//! One run of a target.

use crate::coverage::Coverage;
use crate::execute::{Fault, execute};
use crate::files::{self, Current};
use crate::mode::Mode;
use crate::rng::{Rng, hash};
use crate::{Target, mutate};
use std::cmp::Reverse;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

/// How long a target takes of the test suite, and how many mutations at most.
const SUITE: (Duration, u64) = (Duration::from_millis(250), 20_000);
/// How often a long run says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(20);
/// Longer than this no input of a few kilobytes may take, in a long run.
const SLOWEST: Duration = Duration::from_secs(5);
/// Inputs that are kept at once.
const MAX_KEPT: usize = 4096;
/// Without coverage: of so many inputs that are understood, one is kept.
const KEEP_ONE_OF: usize = 64;
/// How many inputs are tried to make a finding shorter.
const SHORTENING: usize = 4_000;
/// What a merge leaves in the corpus: so many inputs, none longer than this.
const MERGED: (usize, usize) = (24, 2048);

/// A run: what was tried, and what it reached.
pub(crate) struct Session<'a, C> {
    target: &'a Target,
    check: &'a C,
    rng: Rng,
    coverage: Coverage,
    corpus: Vec<Vec<u8>>,
    current: Option<Current>,
    tried: u64,
    understood: u64,
    slowest: Duration,
}

impl<'a, C: Fn(&[u8]) -> bool> Session<'a, C> {
    /// A run of a target.
    pub(crate) fn new(target: &'a Target, check: &'a C) -> Self {
        Self {
            target,
            check,
            rng: Rng::new(hash(target.name.as_bytes())),
            coverage: Coverage::new(),
            corpus: Vec::new(),
            current: None,
            tried: 0,
            understood: 0,
            slowest: Duration::ZERO,
        }
    }

    /// Runs it, up to the first finding.
    pub(crate) fn run(mut self, mode: Mode) -> Result<(), String> {
        let disk = |error: io::Error| format!("{}: the corpus is out of reach: {error}", self.target.name);
        match mode {
            Mode::Suite => {
                self.begin()?;
                self.mutate_for(SUITE.0, SUITE.1)
            }
            Mode::Long(time) => {
                let seed = RandomState::new().hash_one(self.target.name);
                let way = if self.coverage.is_there() { "guided by coverage" } else { "without coverage" };
                eprintln!("{}: {} s, {way}, dice {seed:#x}", self.target.name, time.as_secs());
                self.rng = Rng::new(seed);
                self.current = Some(Current::create(self.target.name).map_err(disk)?);
                let kept = files::read_all(&files::kept(self.target.name)).map_err(disk)?;
                self.begin()?;
                kept.into_iter().try_for_each(|bytes| self.try_new(bytes))?;
                self.mutate_for(time, u64::MAX)
            }
            Mode::Merge => {
                let kept = files::read_all(&files::kept(self.target.name)).map_err(disk)?;
                self.begin()?;
                self.merge(kept)
            }
            Mode::Replay(path) => {
                let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let is_understood = (self.check)(&bytes);
                let verdict = if is_understood { "understood" } else { "refused" };
                eprintln!("{}: {} bytes, {verdict}, and no promise broken", self.target.name, bytes.len());
                Ok(())
            }
        }
    }

    /// Tries seeds and corpus.
    fn begin(&mut self) -> Result<(), String> {
        for seed in &self.target.seeds {
            if !self.try_one(seed)? {
                let name = self.target.name;
                return Err(format!(
                    "{name}: a seed is not understood, so the target attacks nothing: {}",
                    shown(seed)
                ));
            }
            self.coverage.collect();
            self.corpus.push(seed.clone());
        }
        let folder = files::corpus(self.target.name);
        let committed = files::read_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for bytes in committed {
            self.try_one(&bytes)?;
            self.coverage.collect();
            self.corpus.push(bytes);
        }
        if self.corpus.is_empty() {
            self.corpus.push(Vec::new());
        }
        Ok(())
    }

    fn mutate_for(&mut self, time: Duration, most: u64) -> Result<(), String> {
        let (began, mut reported) = (Instant::now(), Instant::now());
        while self.tried < most && began.elapsed() < time {
            let bytes = self.next();
            self.try_new(bytes)?;
            if self.current.is_some() && reported.elapsed() >= REPORT_EVERY {
                self.report(began);
                reported = Instant::now();
            }
        }
        if self.current.is_some() {
            self.report(began);
        }
        Ok(())
    }

    /// A mutation of something that was kept: of the newest as often as of all the others.
    fn next(&mut self) -> Vec<u8> {
        let newest = self.corpus.len() - self.corpus.len() / 4;
        let from = if self.rng.below(2) == 0 { newest.min(self.corpus.len() - 1) } else { 0 };
        let mut bytes = self.rng.pick(&self.corpus[from..]).cloned().unwrap_or_default();
        let other = self.rng.below(self.corpus.len());
        let other = self.corpus.get(other).map_or(&[][..], Vec::as_slice);
        mutate::mutate(&mut self.rng, &mut bytes, &self.target.words, other, self.target.max_bytes);
        bytes
    }

    /// Tries an input, and keeps it where it reaches what none did before.
    fn try_new(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let is_understood = self.try_one(&bytes)?;
        let is_new = if self.coverage.is_there() {
            self.coverage.collect()
        } else {
            is_understood && self.rng.below(KEEP_ONE_OF) == 0
        };
        if !is_new {
            return Ok(());
        }
        if self.current.is_some() && self.coverage.is_there() {
            let folder = files::kept(self.target.name);
            files::save(&folder, &bytes).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        if self.corpus.len() < MAX_KEPT {
            self.corpus.push(bytes);
        } else {
            let at = self.rng.below(self.corpus.len());
            self.corpus[at] = bytes;
        }
        Ok(())
    }

    fn try_one(&mut self, bytes: &[u8]) -> Result<bool, String> {
        if let Some(current) = &self.current {
            current.note(bytes).map_err(|error| format!("{}: {error}", self.target.name))?;
        }
        let began = self.current.is_some().then(Instant::now);
        let outcome = execute(self.target, self.check, bytes);
        let took = began.map_or(Duration::ZERO, |began| began.elapsed());
        self.tried += 1;
        self.slowest = self.slowest.max(took);
        match outcome {
            Ok(is_understood) if took <= SLOWEST => {
                self.understood += u64::from(is_understood);
                Ok(is_understood)
            }
            Ok(_) => {
                let text = format!("it took {} s, expected at most {}", took.as_secs(), SLOWEST.as_secs());
                Err(self.tell(&Fault { kind: "time".to_owned(), text }, bytes))
            }
            Err(fault) => {
                let bytes = self.shorten(&fault, bytes.to_vec());
                Err(self.tell(&fault, &bytes))
            }
        }
    }

    /// Takes away what a finding does not need.
    fn shorten(&self, fault: &Fault, mut bytes: Vec<u8>) -> Vec<u8> {
        let (mut left, mut run) = (SHORTENING, bytes.len() / 2);
        while run > 0 {
            let mut at = 0;
            while at < bytes.len() && left > 0 {
                left -= 1;
                let mut shorter = bytes.clone();
                shorter.drain(at..bytes.len().min(at + run));
                match execute(self.target, self.check, &shorter) {
                    Err(other) if other.kind == fault.kind => bytes = shorter,
                    _ => at += run,
                }
            }
            run /= 2;
        }
        bytes
    }

    /// Keeps a finding, and says what was found.
    fn tell(&self, fault: &Fault, bytes: &[u8]) -> String {
        let name = self.target.name;
        let folder = files::findings(name);
        let place = match files::save(&folder, bytes) {
            Ok(path) => look_again(name, &path),
            Err(error) => format!("it could not be kept in {}: {error}", folder.display()),
        };
        format!("{name}: {}\ninput of {} bytes: {}\n{place}", fault.text, bytes.len(), shown(bytes))
    }

    fn report(&self, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        eprintln!(
            "{}: {seconds:.0} s, {} tried ({:.0}/s), {:.0} % understood, {} kept, {} branches, slowest {} ms",
            self.target.name,
            self.tried,
            self.tried as f64 / seconds,
            100.0 * self.understood as f64 / self.tried.max(1) as f64,
            self.corpus.len(),
            self.coverage.reached(),
            self.slowest.as_millis(),
        );
    }

    /// Leaves in the committed corpus what reaches most that nothing there and nothing shorter does.
    fn merge(&mut self, mut kept: Vec<Vec<u8>>) -> Result<(), String> {
        if !self.coverage.is_there() {
            return Err(format!("{}: nothing can be merged without coverage", self.target.name));
        }
        kept.retain(|bytes| bytes.len() <= MERGED.1);
        kept.sort_by_key(Vec::len);
        let folder = files::corpus(self.target.name);
        let room = MERGED.0.saturating_sub(files::read_all(&folder).map_or(0, |all| all.len()));
        let mut gains = Vec::new();
        for bytes in kept {
            let before = self.coverage.reached();
            self.try_one(&bytes)?;
            if self.coverage.collect() {
                gains.push((self.coverage.reached() - before, bytes));
            }
        }
        gains.sort_by_key(|(gain, _)| Reverse(*gain));
        gains.truncate(room);
        for (_, bytes) in &gains {
            files::save(&folder, bytes).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        eprintln!("{}: {} added to {}", self.target.name, gains.len(), folder.display());
        Ok(())
    }
}

fn look_again(target: &str, path: &Path) -> String {
    let path = path.display();
    format!(
        "kept in {path}; to look again: scripts/fuzz.sh --replay {path}; once mended, it goes to \
         tests/fuzz/corpus/{target}/ under a name that says what it was"
    )
}

/// The beginning of an input, as text where it is some.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..200).unwrap_or(bytes);
    let more = if start.len() < bytes.len() { " …" } else { "" };
    if let Ok(text) = std::str::from_utf8(start)
        && !text.contains('\0')
    {
        return format!("{text:?}{more}");
    }
    let mut hex = String::new();
    for byte in start {
        let _ = write!(hex, "{byte:02x}");
    }
    hex + more
}
