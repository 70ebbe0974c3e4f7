//! What was measured: every value, kept as JSON.

use crate::Failure;
use serde_json::{Map, Value, json};
use std::{fs, path::Path, process::Command};

/// Figures by name, and the machine they are of.
#[derive(Default)]
pub struct Results(Map<String, Value>);

/// One figure: all values of it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// In order of measurement.
    pub values: Vec<f64>,
}

impl Figure {
    /// The median.
    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.get((sorted.len().max(1) - 1) / 2), sorted.get(sorted.len() / 2));
        low.zip(high).map_or(f64::NAN, |(low, high)| (low + high) / 2.0)
    }

    /// The least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        let fold = |by: fn(f64, f64) -> f64| self.values.iter().copied().reduce(by).unwrap_or(f64::NAN);
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
        match serde_json::from_str(&text) {
            Ok(Value::Object(all)) => Ok(Self(all)),
            Ok(_) => Err(format!("{}: got something else, expected a JSON object", path.display()).into()),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// Writes all, under a temporary name first.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let growing = path.with_extension("part");
        fs::write(&growing, format!("{:#}\n", Value::Object(self.0.clone())))?;
        Ok(fs::rename(growing, path)?)
    }

    /// Forgets a figure, before it is measured again.
    pub fn clear(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Adds a value to a figure.
    pub fn add(&mut self, name: &str, value: f64) {
        eprintln!("   {name} = {value:.4}");
        if let Value::Array(values) = self.0.entry(name).or_insert_with(|| json!([])) {
            values.push(json!(value));
        }
    }

    /// Says something about a part that could not be measured, or that a reader must know.
    pub fn note(&mut self, name: &str, text: &str) {
        eprintln!("   {name}: {text}");
        self.0.insert(format!("note.{name}"), json!(text));
    }

    /// A figure, if it was measured.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        let values = self.0.get(name)?.as_array()?.iter().filter_map(Value::as_f64).collect::<Vec<_>>();
        (!values.is_empty()).then_some(Figure { values })
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// All notes, with the names of what they are about.
    pub fn notes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, text)| Some((name.strip_prefix("note.")?, text.as_str()?)))
    }

    /// Writes down the machine, the day and the compiler.
    pub fn describe_machine(&mut self) {
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
        self.0.insert(String::from("machine"), json!(machine));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("unknown");
        self.0.insert(String::from("load"), json!(load));
        for (name, program, arguments) in [
            ("system", "uname", &["-sr"][..]),
            ("compiler", "rustc", &["--version"]),
            ("day", "date", &["-u", "+%Y-%m-%d"]),
        ] {
            let said = Command::new(program).args(arguments).output().ok();
            let said =
                said.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
            self.0.insert(String::from(name), json!(said));
        }
    }
}
