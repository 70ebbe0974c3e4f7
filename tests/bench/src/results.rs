//! What was measured: every value, and the run that it is of, kept as JSON.

use crate::{Failure, node};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::{fs, path::Path, process::Command};

/// A value counts as taken beside other work when others used more cores than this meanwhile.
const NOISY: f64 = 0.2;

/// Figures by name, and the runs they are of.
#[derive(Default, Serialize, Deserialize)]
pub struct Results {
    figures: BTreeMap<String, Figure>,
    notes: BTreeMap<String, String>,
    runs: Vec<Run>,
    /// The run that is under way, the last of all.
    #[serde(skip)]
    current: Option<usize>,
}

/// One figure: all values of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Which of the runs it is of.
    pub run: usize,
    /// In order of measurement.
    values: Vec<f64>,
    /// Cores that others used meanwhile, value by value, where that was counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    foreign: Vec<f64>,
}

/// Where and when figures were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The day.
    pub day: String,
    /// Processor and memory.
    pub machine: String,
    /// The kernel.
    pub system: String,
    /// The compiler of this program.
    pub compiler: String,
    /// What was measured.
    pub cairn: String,
    /// What it was measured beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// The load average before it.
    pub load: String,
}

impl Figure {
    /// The values that count: those taken beside no other work, where two or more are.
    pub fn values(&self) -> Vec<f64> {
        let quiet = self.values.iter().zip(&self.foreign).filter(|(_, foreign)| **foreign < NOISY);
        let quiet: Vec<f64> = quiet.map(|(value, _)| *value).collect();
        if quiet.len() >= 2 { quiet } else { self.values.clone() }
    }

    /// Whether what counts was taken beside other work.
    pub fn is_noisy(&self) -> bool {
        !self.foreign.is_empty() && self.foreign.iter().filter(|foreign| **foreign < NOISY).count() < 2
    }

    /// The median.
    pub fn median(&self) -> f64 {
        let mut sorted = self.values();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.get((sorted.len().max(1) - 1) / 2), sorted.get(sorted.len() / 2));
        low.zip(high).map_or(f64::NAN, |(low, high)| (low + high) / 2.0)
    }

    /// The least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        let fold = |by: fn(f64, f64) -> f64| self.values().into_iter().reduce(by).unwrap_or(f64::NAN);
        (fold(f64::min), fold(f64::max))
    }
}

/// The value below which a share of all lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

impl Results {
    /// Reads a file that [`Results::write`] wrote.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Writes all, under a temporary name first. Runs of which no figure is left are forgotten.
    pub fn write(&mut self, path: &Path) -> Result<(), Failure> {
        let used = |run: usize| self.figures.values().any(|figure| figure.run == run);
        let kept: Vec<usize> = (0..self.runs.len()).filter(|run| used(*run) || self.current == Some(*run)).collect();
        let place = |run: usize| kept.iter().position(|old| *old == run);
        self.figures.values_mut().for_each(|figure| figure.run = place(figure.run).unwrap_or(0));
        self.current = self.current.and_then(place);
        self.runs = kept.iter().filter_map(|run| self.runs.get(*run).cloned()).collect();
        let growing = path.with_extension("part");
        fs::write(&growing, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(fs::rename(growing, path)?)
    }

    /// Begins a run: what is added from now on is of it.
    pub fn begin(&mut self, run: Run) {
        self.current = Some(self.runs.len());
        self.runs.push(run);
    }

    /// Says what this run measures beside Cairn.
    pub fn beside(&mut self, what: String) {
        let run = self.current.and_then(|run| self.runs.get_mut(run));
        if let Some(run) = run.filter(|run| !run.beside.contains(&what)) {
            run.beside.push(what);
        }
    }

    /// Forgets a figure, before it is measured again.
    pub fn clear(&mut self, name: &str) {
        self.figures.remove(name);
    }

    /// Adds a value to a figure; what is known of it from another run is forgotten.
    pub fn add(&mut self, name: &str, value: f64) {
        eprintln!("   {name} = {value:.4}");
        self.figure_mut(name).values.push(value);
    }

    /// Adds a value, and how many cores others used meanwhile.
    pub fn add_beside(&mut self, name: &str, value: f64, foreign: f64) {
        eprintln!("   {name} = {value:.4}, others used {foreign:.2} cores");
        let figure = self.figure_mut(name);
        figure.values.push(value);
        figure.foreign.push(foreign);
    }

    fn figure_mut(&mut self, name: &str) -> &mut Figure {
        let run = self.current.unwrap_or(0);
        let empty = Figure { run, values: Vec::new(), foreign: Vec::new() };
        let figure = self.figures.entry(name.to_owned()).or_insert_with(|| empty.clone());
        if figure.run != run {
            *figure = empty;
        }
        figure
    }

    /// Says something about a part that could not be measured, or that a reader must know.
    pub fn note(&mut self, name: &str, text: &str) {
        eprintln!("   {name}: {text}");
        self.notes.insert(name.to_owned(), text.to_owned());
    }

    /// A figure, if it was measured.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.get(name).filter(|figure| !figure.values.is_empty())
    }

    /// All runs, which figures name by their place.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// All notes, with the names of what they are about.
    pub fn notes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.notes.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

impl Run {
    /// On this machine, now.
    pub fn here() -> Result<Self, Failure> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, value)| value).to_owned()
        };
        let flags = field("flags");
        let has = |flag: &str| flags.split(' ').any(|known| known == flag);
        let units = ["sha_ni", "avx2", "avx512f", "avx512ifma"].into_iter().filter(|flag| has(flag));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let machine = format!(
            "{}, {cores} cores ({}), {:.0} GiB of memory",
            field("model name"),
            units.collect::<Vec<_>>().join(", "),
            kib.unwrap_or_default() / f64::from(1 << 20)
        );
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            day: said("date", &["-u", "+%Y-%m-%d"]),
            machine,
            system: said("uname", &["-sr"]),
            compiler: said("rustc", &["--version"]),
            cairn: said(&node::program("cairn-node")?, &["--version"]),
            beside: Vec::new(),
            load: load.split(' ').next().unwrap_or("unknown").to_owned(),
        })
    }
}

/// What a program says, in one line.
pub fn said(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(day: &str) -> Run {
        let text = String::new;
        let (machine, system, compiler) = (text(), text(), text());
        Run { day: day.to_owned(), machine, system, compiler, cairn: text(), beside: Vec::new(), load: text() }
    }

    #[test]
    fn a_figure_is_of_the_run_that_measured_it_last() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("results.json");
        let mut first = Results::default();
        first.begin(run("monday"));
        [1.0, 2.0].iter().for_each(|value| first.add("a", *value));
        first.add("b", 3.0);
        first.write(&path).expect("writes");
        let mut second = Results::read(&path).expect("reads");
        second.begin(run("tuesday"));
        second.add("a", 4.0);
        second.write(&path).expect("writes");
        let (a, b) = (second.figure("a").expect("a"), second.figure("b").expect("b"));
        assert_eq!((a.values(), second.runs()[a.run].day.as_str()), (vec![4.0], "tuesday"));
        assert_eq!((b.values(), second.runs()[b.run].day.as_str()), (vec![3.0], "monday"));
        let mut third = Results::read(&path).expect("reads");
        third.begin(run("wednesday"));
        third.add("b", 5.0);
        third.write(&path).expect("writes");
        let days: Vec<&str> = third.runs().iter().map(|run| run.day.as_str()).collect();
        assert_eq!(days, ["tuesday", "wednesday"], "what no figure is of is forgotten");
        assert_eq!(third.runs()[third.figure("a").expect("a").run].day, "tuesday");
    }

    #[test]
    fn values_taken_beside_other_work_count_only_where_there_are_no_others() {
        let mut results = Results::default();
        results.begin(run("monday"));
        for (value, foreign) in [(1.0, 0.0), (9.0, 0.9), (3.0, 0.1)] {
            results.add_beside("a", value, foreign);
        }
        results.add_beside("b", 1.0, 0.0);
        results.add_beside("b", 3.0, 0.5);
        let (a, b) = (results.figure("a").expect("a"), results.figure("b").expect("b"));
        assert_eq!((a.median(), a.range(), a.is_noisy()), (2.0, (1.0, 3.0), false));
        assert_eq!((b.median(), b.is_noisy()), (2.0, true));
    }
}
