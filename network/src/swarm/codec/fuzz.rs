//! Whatever comes on a stream: a whole message within its bound, or none (docs/testing.md).

use super::*;
use cairn_fuzz::Target;
use libp2p::futures::{FutureExt, io::Cursor};

const MAX: usize = 1024;

#[test]
fn network_stream() {
    let framed = |length: u32, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
    let seeds = [framed(3, b"abc"), framed(0, b""), framed(MAX as u32, &[7; MAX]), framed(3, b"abcdef")];
    // A length that nothing stands behind buys nothing: the bound is on what has come.
    Target::new("network_stream").seeds(seeds).memory(2 << 10, 4).run(|bytes| {
        let read = read(&mut Cursor::new(bytes), MAX).now_or_never().expect("all that comes is there");
        let claimed = bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
        match read {
            Ok(Ok(message)) => {
                assert_eq!((claimed, bytes.get(4..4 + message.len())), (Some(message.len()), Some(&message[..])));
                let mut written = Cursor::new(Vec::new());
                let done = write(&mut written, Ok(message.clone())).now_or_never();
                assert!(done.is_some_and(|done| done.is_ok()) && bytes.starts_with(written.get_ref()));
                true
            }
            Ok(Err(refused)) => {
                let got = claimed.expect("four bytes");
                assert_eq!(refused, DecodeError::TooLong { got, max: MAX });
                false
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                false
            }
        }
    });
}
