//! Several receivers from a CSV file: `address,amount` and, if wanted, `label`, one receiver a line. A first
//! line that says so is skipped.

use crate::output::Inert;
use cairn_ledger::{
    address::{AddressError, AddressPrefix},
    transaction::{MAX_OUTPUTS, Output},
    units::AmountError,
};
use std::collections::BTreeMap;

/// The longest file: each receiver of the largest payment, with a long label.
pub const MAX_CSV_BYTES: u64 = 1 << 20;

/// A file that is no list of receivers. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Not CSV.
    #[error("{0}")]
    NotCsv(#[from] csv::Error),
    /// Too few or too many fields.
    #[error("line {line} has {got} fields, expected address,amount or address,amount,label")]
    Fields {
        /// Where.
        line: u64,
        /// How many.
        got: usize,
    },
    /// No address.
    #[error("line {line}: {error}")]
    Address {
        /// Where.
        line: u64,
        /// What is wrong.
        error: Box<AddressError>,
    },
    /// No amount.
    #[error("line {line}: {}", Inert(&error.to_string()))]
    Amount {
        /// Where.
        line: u64,
        /// What is wrong.
        error: AmountError,
    },
    /// The same receiver twice: most likely a slip.
    #[error("line {line} pays the address of line {first} again; put both amounts together on one line")]
    Twice {
        /// Where.
        line: u64,
        /// Where before.
        first: u64,
    },
    /// More than one payment can hold.
    #[error("line {line} is receiver {}, expected at most {MAX_OUTPUTS} in one payment; split the file", MAX_OUTPUTS + 1)]
    TooMany {
        /// Where.
        line: u64,
    },
    /// Nobody to pay.
    #[error("it names no receiver")]
    Empty,
}

/// Reads the receivers, in the file's order.
///
/// # Errors
/// Names the line that cannot be read.
pub fn parse(bytes: &[u8], prefix: &AddressPrefix) -> Result<Vec<Output>, CsvError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(bytes);
    let (mut outputs, mut lines) = (Vec::new(), BTreeMap::new());
    for (place, record) in reader.records().enumerate() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let (address, amount) = match (record.len(), record.get(0), record.get(1)) {
            (2 | 3, Some(address), Some(amount)) => (address, amount),
            (got, ..) => return Err(CsvError::Fields { line, got }),
        };
        if place == 0 && address.eq_ignore_ascii_case("address") {
            continue;
        }
        let to = prefix.decode(address).map_err(|error| CsvError::Address { line, error: Box::new(error) })?;
        let amount = amount.parse().map_err(|error| CsvError::Amount { line, error })?;
        if let Some(first) = lines.insert(to, line) {
            return Err(CsvError::Twice { line, first });
        }
        if outputs.len() == MAX_OUTPUTS {
            return Err(CsvError::TooMany { line });
        }
        outputs.push(Output { to, amount });
    }
    if outputs.is_empty() { Err(CsvError::Empty) } else { Ok(outputs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::keys::SecretKey;

    fn prefix() -> AddressPrefix {
        AddressPrefix::new("lcrn").expect("a prefix")
    }

    fn address(number: u16) -> String {
        let mut bytes = [1; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        prefix().encode(&SecretKey::from_bytes(&bytes).expect("a key").address())
    }

    fn read(text: &str) -> Result<Vec<String>, String> {
        let outputs = parse(text.as_bytes(), &prefix()).map_err(|error| error.to_string())?;
        Ok(outputs.iter().map(|output| format!("{} {}", prefix().encode(&output.to), output.amount)).collect())
    }

    #[test]
    fn receivers_are_read_in_their_order() {
        let (a, b) = (address(1), address(2));
        let expected = Ok(vec![format!("{a} 1.5"), format!("{b} 2")]);
        assert_eq!(read(&format!("{a},1.5\n{b},2\n")), expected);
        assert_eq!(
            read(&format!("Address, Amount, Label\n{a}, 1.5,\"Bob, Ltd.\"\n# paid monthly\n{b},2\r\n")),
            expected
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        let (a, b) = (address(1), address(2));
        for (text, said) in [
            (String::new(), "names no receiver"),
            (String::from("address,amount\n"), "names no receiver"),
            (format!("{a},1\n{b}\n"), "line 2 has 1 fields"),
            (format!("{a},1,x,y\n"), "line 1 has 4 fields"),
            (format!("{a},1\n{b},1e3\n"), "line 2: got \"1e3\""),
            (format!("{a},1\n{b},\u{1b}[2J\n"), "line 2: got"),
            (format!("{a},1\nnobody,1\n"), "line 2: "),
            (format!("{a},1\n{b},1\n{a},2\n"), "line 3 pays the address of line 1 again"),
            ((0..=1024).map(|number| format!("{},1\n", address(number))).collect(), "line 1025 is receiver 1025"),
        ] {
            let error = read(&text).expect_err("refused");
            assert!(error.contains(said) && !error.contains('\u{1b}'), "{said}: {error}");
        }
    }
}
