//! The list of planted bugs keeps up with the sources; `scripts/faults.sh` plays them.

use cairn_simulator::faults;
use std::path::Path;

#[test]
fn every_fault_still_has_its_place_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root of the sources");
    let all = faults::read(root).unwrap_or_else(|error| panic!("{error}"));
    assert!(all.len() >= 100, "{} faults", all.len());
    let files = faults::planted(root).unwrap_or_else(|error| panic!("{error}"));
    for fault in &all {
        let text = &files[&fault.file];
        assert!(text.contains(&format!("planted({:?})", fault.name)), "{} is not planted", fault.name);
    }
}
