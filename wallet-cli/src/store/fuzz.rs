//! Whatever stands in a file of labels, and whatever is to be a wallet's name (docs/testing.md).

use super::{Labels, MAX_LABEL_BYTES, WalletName};
use cairn_fuzz::Target;

#[test]
fn wallet_labels() {
    let lines = "{\"type\":\"tx\",\"ref\":\"f91d0a8a\",\"label\":\"Transaction\",\"origin\":\"wpkh([d34db33f])\"}\n\
                 {\"type\":\"addr\",\"ref\":\"tcrn1x\",\"label\":\"Address\"}\n\
                 {\"type\":\"xpub\",\"ref\":\"xpub661MyMwAq\",\"label\":\"Extended Public Key\"}\n";
    let words =
        ["\n", "{\"type\":\"addr\",\"ref\":\"", "\",\"label\":\"", "\"}", "\\u001b[2J", "\\ud800", "null", "default"];
    Target::new("wallet_labels").seeds([lines, "", "default"]).words(words).memory(64 << 10, 100).run(|bytes| {
        let name = str::from_utf8(bytes).ok().and_then(|text| text.parse::<WalletName>().ok());
        if let Some(name) = &name {
            assert_eq!(name.as_str().as_bytes(), bytes);
            assert!(!name.as_str().contains(['/', '.', '\\']), "a name is no path");
        }
        let (labels, skipped) = match Labels::parse(bytes) {
            Ok(read) => read,
            Err(error) => {
                let shown = error.to_string();
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
                return name.is_some();
            }
        };
        assert_eq!(Labels::parse(labels.to_lines().as_bytes()).expect("what was read"), (labels.clone(), 0));
        assert!(labels.iter().all(|label| (1..=MAX_LABEL_BYTES).contains(&label.label.len())));
        assert!(labels.iter().count() + skipped <= bytes.split(|byte| *byte == b'\n').count());
        for label in labels.iter() {
            assert!(!labels.named(&label.subject).chars().any(char::is_control), "shown inert");
        }
        true
    });
}
