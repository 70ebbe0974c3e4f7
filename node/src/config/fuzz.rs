//! Whatever stands in the node's configuration: settings within their bounds, or a refusal that names the key
//! (docs/testing.md).

use super::{Environment, FILE_NAME, Flags, KEYS, Settings};
use cairn_fuzz::Target;
use std::fs;

#[test]
fn node_config() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, data_dir) = (folder.path().join(FILE_NAME), Some(folder.path().to_owned()));
    let flags = Flags { chain: Some("local".to_owned()), data_dir, keys: Vec::new() };
    let seeds = [
        "[mining]\nduty = 10\n",
        "[network]\nmax_inbound = 5\nmax_upload_per_day = \"20GiB\"\n",
        "[rpc]\nlisten = \"127.0.0.1:9741\"\nhosts = [\"node.example.org\", \"[2001:db8::1]\"]\nrate = 7\n",
        "[log]\nformat = \"json\"\n[discovery]\nkademlia = false\n",
        "[storage]\nmax_bytes = \"500GiB\"\n[memory]\nmax_bytes = \"2GiB\"\n",
    ];
    let keys = KEYS.iter().map(|key| format!("{} = ", key.name.split_once('.').map_or(key.name, |(_, key)| key)));
    let words =
        ["[rpc]\n", "[log]\n", "\"1TiB\"", "\"18446744073709551615\"", "[\"\"]", "\"::\"", "true", "1e9", "\"debug\""];
    // Reading a network and its default paths takes more than the file.
    Target::new("node_config").seeds(seeds).words(keys).words(words).memory(1 << 20, 300).run(|bytes| {
        fs::write(&path, bytes).expect("room");
        let settings = match Settings::load(&flags, &Environment::default()) {
            Ok(settings) => settings,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        assert!((1..=100).contains(&settings.mining.duty) && settings.network.max_inbound <= 10_000);
        assert!(settings.max_storage_bytes.is_none_or(|bytes| bytes > 0) && settings.rpc.rate > 0);
        assert!(settings.open_files() > 0 && settings.storage.reserve_bytes() > 0);
        true
    });
}
