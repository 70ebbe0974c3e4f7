//! Several receivers from a CSV file, read strictly: it says where money goes, so what is not understood in it
//! is refused.
//!
//! # The form
//! - UTF-8 text in the form of RFC 4180, one receiver a line; a byte order mark, empty lines and lines that begin
//!   with `#` are passed over.
//! - Without a header each line has two columns, the address and the amount. With the header `address,amount` or
//!   `address,amount,label` each line has exactly its columns. Labels are notes for the file's reader.
//! - An amount is CRN with a decimal point. Without a header `ADDRESS,12,50` is no payment of 12, and below one a
//!   label of digits alone has to stand in quotes: either may be a decimal comma.
//! - A field in double quotes may hold commas, and quotes written twice. It ends on its line.
//!
//! Lines are split here because readers of CSV take an unclosed quote for the beginning of a field that runs over
//! the receivers below it, or over the end of the file, and say nothing.

use cairn_host::Inert;
use cairn_ledger::transaction::{MAX_OUTPUTS, Output};
use cairn_ledger::{AddressPrefix, address::AddressError, units::AmountError};
use std::collections::BTreeMap;

/// The longest file: each receiver of the largest payment, with a long label.
pub const MAX_CSV_BYTES: u64 = 1 << 20;
/// The names of the columns.
const COLUMNS: [&str; 3] = ["address", "amount", "label"];

/// A file that is no list of receivers. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Bytes that are no text.
    #[error("it is no text in UTF-8; save it as CSV in UTF-8")]
    NotText,
    /// Quotes or control characters that make it unclear where a field ends.
    #[error("line {line} has {what}")]
    Unclear { line: u64, what: &'static str },
    /// A first line of names that are not the columns'.
    #[error("line {line} has the columns {}, expected address,amount or address,amount,label", Inert(got))]
    Header { line: u64, got: String },
    /// Too few or too many fields.
    #[error("line {line} has {got} field{}, expected {expected}{hint}", if *got == 1 { "" } else { "s" })]
    Fields { line: u64, got: usize, expected: &'static str, hint: String },
    /// A label that may be the decimals of the amount.
    #[error(
        "line {line} has the amount {0} and the label {label}: for {0}.{label} CRN write a point, and for a label write \
         \"{label}\" in quotes",
        Inert(amount)
    )]
    LabelOfDigits { line: u64, amount: String, label: String },
    /// No address.
    #[error("line {line}: {error}")]
    Address { line: u64, error: Box<AddressError> },
    /// No amount.
    #[error("line {line}: {}", Inert(&error.to_string()))]
    Amount { line: u64, error: AmountError },
    /// The same receiver twice: most likely a slip.
    #[error("line {line} pays the address of line {first} again; put both amounts together on one line")]
    Twice { line: u64, first: u64 },
    /// More than one payment can hold.
    #[error("line {line} is receiver {}, expected at most {MAX_OUTPUTS} in one payment; split the file", MAX_OUTPUTS + 1)]
    TooMany { line: u64 },
    /// Nobody to pay.
    #[error("it names no receiver")]
    Empty,
}

/// What stands between two commas.
struct Field {
    text: String,
    quoted: bool,
}

/// Reads the receivers, in the file's order.
///
/// # Errors
/// Names the line that cannot be read.
pub fn parse(bytes: &[u8], prefix: &AddressPrefix) -> Result<Vec<Output>, CsvError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CsvError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut outputs, mut lines, mut columns) = (Vec::new(), BTreeMap::new(), None);
    for (written, line) in text.split('\n').zip(1..) {
        let written = written.strip_suffix('\r').unwrap_or(written);
        if written.trim().is_empty() || written.starts_with('#') {
            continue;
        }
        let fields = split(written).map_err(|what| CsvError::Unclear { line, what })?;
        if columns.is_none() && is_header(&fields) {
            columns = Some(header(line, &fields)?);
            continue;
        }
        let output = receiver(line, &fields, *columns.get_or_insert(HEADLESS), prefix)?;
        if let Some(first) = lines.insert(output.to, line) {
            return Err(CsvError::Twice { line, first });
        }
        if outputs.len() == MAX_OUTPUTS {
            return Err(CsvError::TooMany { line });
        }
        outputs.push(output);
    }
    if outputs.is_empty() { Err(CsvError::Empty) } else { Ok(outputs) }
}

/// How many columns each line has, and how they are called.
type Columns = (usize, &'static str);
const HEADLESS: Columns = (2, "2, address,amount; a label needs the first line address,amount,label");
const HEADED: [Columns; 2] = [(2, "2, address,amount"), (3, "3, address,amount,label")];

/// Whether the first line names columns: no address is called that.
fn is_header(fields: &[Field]) -> bool {
    fields.iter().any(|field| COLUMNS.iter().any(|column| field.text.eq_ignore_ascii_case(column)))
}

fn header(line: u64, fields: &[Field]) -> Result<Columns, CsvError> {
    let names: Vec<String> = fields.iter().map(|field| field.text.to_ascii_lowercase()).collect();
    let columns = HEADED.into_iter().find(|(count, _)| COLUMNS.get(..*count).is_some_and(|known| names == known));
    columns.ok_or_else(|| CsvError::Header { line, got: names.join(",").chars().take(80).collect() })
}

fn receiver(
    line: u64,
    fields: &[Field],
    (count, expected): Columns,
    prefix: &AddressPrefix,
) -> Result<Output, CsvError> {
    let (address, amount, label) = match fields {
        [address, amount] if count == 2 => (address, amount, None),
        [address, amount, label] if count == 3 => (address, amount, Some(label)),
        _ => return Err(CsvError::Fields { line, got: fields.len(), expected, hint: hint(fields) }),
    };
    if let Some(label) = label.filter(|label| !label.quoted && is_digits(&label.text)) {
        return Err(CsvError::LabelOfDigits { line, amount: amount.text.clone(), label: label.text.clone() });
    }
    let to = prefix.decode(&address.text).map_err(|error| CsvError::Address { line, error: Box::new(error) })?;
    let amount = amount.text.parse().map_err(|error| CsvError::Amount { line, error })?;
    Ok(Output { to, amount })
}

/// What a line with a wrong number of fields may have meant.
fn hint(fields: &[Field]) -> String {
    match fields {
        [_, whole, decimals, ..] if is_digits(&whole.text) && is_digits(&decimals.text) => {
            format!("; an amount has a decimal point: {}.{}", whole.text, decimals.text)
        }
        [only] if only.text.contains([';', '\t']) => String::from("; separate them by commas"),
        _ => String::new(),
    }
}

fn is_digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The fields of a line, without the spaces around them.
fn split(line: &str) -> Result<Vec<Field>, &'static str> {
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err("a control character; lines end with LF or CR LF");
    }
    let (mut fields, mut rest) = (Vec::new(), Some(line));
    while let Some(text) = rest {
        let (field, after) = take(text.trim_start())?;
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// The first field, and what follows the comma after it.
fn take(text: &str) -> Result<(Field, Option<&str>), &'static str> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
        if field.contains('"') {
            return Err("a quote in the middle of a field");
        }
        return Ok((Field { text: String::from(field.trim_end()), quoted: false }, after));
    };
    let mut text = String::new();
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote that is not closed on the line")?;
        text.push_str(part);
        let Some(more) = after.strip_prefix('"') else {
            rest = after.trim_start();
            break;
        };
        text.push('"');
        rest = more;
    }
    match rest.strip_prefix(',') {
        None if !rest.is_empty() => Err("text after a closing quote"),
        after => Ok((Field { text, quoted: true }, after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::SecretKey;

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
            read(&format!("Address, Amount, Label\n{a}, 1.5,\"Bob, Ltd.\"\n# paid monthly\n{b},2,\r\n")),
            expected
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        let (a, b) = (address(1), address(2));
        for (text, said) in [
            (String::new(), "names no receiver"),
            (String::from("address,amount\n"), "names no receiver"),
            (format!("{a},1\n{b}\n"), "line 2 has 1 field, expected 2"),
            (format!("{a},1,x,y\n"), "line 1 has 4 fields"),
            (format!("{a};1\n"), "separate them by commas"),
            (format!("{a},1\n{b},1e3\n"), "line 2: got \"1e3\""),
            (format!("{a},1\n{b},\u{1b}[2J\n"), "line 2 has a control character"),
            (format!("{a},1\r{b},2\r"), "line 1 has a control character"),
            (format!("{a},1\nnobody,1\n"), "line 2: "),
            (format!("{a},1\n{b},1\n{a},2\n"), "line 3 pays the address of line 1 again"),
            ((0..=1024).map(|number| format!("{},1\n", address(number))).collect(), "line 1025 is receiver 1025"),
        ] {
            let error = read(&text).expect_err("refused");
            assert!(error.contains(said) && !error.contains('\u{1b}'), "{said}: {error}");
        }
    }

    #[test]
    fn a_decimal_comma_pays_nobody() {
        let (a, b) = (address(1), address(2));
        for (text, said) in [
            (format!("{a},12,50\n"), "an amount has a decimal point: 12.50"),
            (format!("address,amount\n{a},12,50\n"), "an amount has a decimal point: 12.50"),
            (format!("address,amount,label\n{a},12,50\n"), "write a point"),
            (format!("address,amount,label\n{a},12,50,Bob\n"), "an amount has a decimal point: 12.50"),
            (format!("{a},1\n{b},\"12,50\"\n"), "line 2: got \"12,50\""),
            (format!("{a},1,Bob\n"), "a label needs the first line address,amount,label"),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
        // The controls: a label that is a number, in quotes, and an empty one.
        let labelled = format!("address,amount,label\n{a},12.5,\"50\"\n{b},1,\n");
        assert_eq!(read(&labelled), Ok(vec![format!("{a} 12.5"), format!("{b} 1")]));
    }

    #[test]
    fn a_quote_that_is_open_hides_no_receiver() {
        let (a, b) = (address(1), address(2));
        let labelled = |rest: &str| format!("address,amount,label\n{a},1,{rest}");
        for (rest, said) in [
            (format!("\"Bob\n{b},2,\"Eve\"\n"), "line 2 has a quote that is not closed"),
            (format!("\"Bob\n{b},2,Eve\n"), "line 2 has a quote that is not closed"),
            (String::from("\"Bob"), "line 2 has a quote that is not closed"),
            (String::from("\"Bob\"\""), "line 2 has a quote that is not closed"),
            (format!("\"Bob\nLtd.\"\n{b},2,Eve\n"), "line 2 has a quote that is not closed"),
            (String::from("Bob \"B\" Ltd."), "line 2 has a quote in the middle"),
            (String::from("\"Bob\" Ltd."), "line 2 has text after a closing quote"),
        ] {
            let error = read(&labelled(&rest)).expect_err(&rest);
            assert!(error.contains(said), "{rest}: {error}");
        }
        let closed = labelled(&format!("\"Bob, \"\"B\"\", Ltd.\" \n{b},2, Eve\n"));
        assert_eq!(read(&closed), Ok(vec![format!("{a} 1"), format!("{b} 2")]));
    }

    #[test]
    fn a_header_names_the_columns_or_is_refused() {
        let a = address(1);
        for header in ["amount,address", "address", "address,amount,memo", "address,amount,label,x", "to,amount"] {
            let error = read(&format!("{header}\n{a},1\n")).expect_err(header);
            assert!(error.contains("has the columns"), "{header}: {error}");
        }
        let error = read(&format!("address,amount,label\n{a},1\n")).expect_err("a column is missing");
        assert!(error.contains("line 2 has 2 fields, expected 3"), "{error}");
        assert!(read(&format!("{a},1\naddress,amount\n")).is_err(), "a header stands first");
    }

    #[test]
    fn a_file_from_a_spreadsheet_is_read_and_one_in_another_encoding_refused() {
        let a = address(1);
        assert_eq!(read(&format!("\u{feff}address,amount\r\n{a},1\r\n\r\n")), Ok(vec![format!("{a} 1")]));
        let utf16: Vec<u8> = format!("\u{feff}{a},1\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(matches!(parse(&utf16, &prefix()), Err(CsvError::NotText)));
    }
}
