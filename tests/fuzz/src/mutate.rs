//! New inputs from old ones.

use crate::rng::Rng;

/// Numbers at which formats break: none, the least, the greatest, and those beside them, in 1 to 8 bytes.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    0x10,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    1 << 16,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 53,
    1 << 60,
    u64::MAX,
];
/// The longest run of bytes that is copied, removed or put in.
const LONGEST_RUN: usize = 256;

/// Makes something new of `bytes`, at most `max_bytes` long.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, words: &[Vec<u8>], other: &[u8], max_bytes: usize) {
    let max_bytes = max_bytes.max(bytes.len());
    for _ in 0..1 << rng.below(4) {
        match rng.below(12) {
            0 => flip_bit(rng, bytes),
            1 => set_byte(rng, bytes),
            2 => nudge_byte(rng, bytes),
            3 => write_number(rng, bytes),
            4 => remove_run(rng, bytes),
            5 => repeat_run(rng, bytes),
            6 => put_in_random(rng, bytes),
            7 | 8 => put_word(rng, bytes, words),
            9 => copy_run(rng, bytes),
            10 => splice(rng, bytes, other),
            _ => change_digit(rng, bytes),
        }
        bytes.truncate(max_bytes);
    }
}

/// A run within `length` bytes.
fn run(rng: &mut Rng, length: usize) -> (usize, usize) {
    let start = rng.below(length);
    // Short ones more often than long ones.
    let longest = 1 << rng.below(LONGEST_RUN.ilog2() as usize + 1);
    let end = length.min(start + 1 + rng.below(longest));
    (start, end)
}

fn flip_bit(rng: &mut Rng, bytes: &mut [u8]) {
    let (at, bit) = (rng.below(bytes.len()), rng.below(8));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn set_byte(rng: &mut Rng, bytes: &mut [u8]) {
    let (at, new) = (rng.below(bytes.len()), rng.next() as u8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = new;
    }
}

fn nudge_byte(rng: &mut Rng, bytes: &mut [u8]) {
    let (at, by) = (rng.below(bytes.len()), 1 + rng.below(16) as u8);
    let is_up = rng.below(2) == 0;
    if let Some(byte) = bytes.get_mut(at) {
        *byte = if is_up { byte.wrapping_add(by) } else { byte.wrapping_sub(by) };
    }
}

fn write_number(rng: &mut Rng, bytes: &mut [u8]) {
    let width = 1 << rng.below(4);
    let mut number = rng.pick(&NUMBERS).copied().unwrap_or_default();
    number = number.wrapping_add(rng.below(3) as u64).wrapping_sub(1);
    let number = if rng.below(4) == 0 { number.swap_bytes() } else { number }.to_le_bytes();
    let at = rng.below(bytes.len());
    for (place, byte) in bytes.iter_mut().skip(at).zip(number).take(width) {
        *place = byte;
    }
}

fn remove_run(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let (start, end) = run(rng, bytes.len());
    if start < end {
        bytes.drain(start..end);
    }
}

fn repeat_run(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let (start, end) = run(rng, bytes.len());
    let again = bytes.get(start..end).unwrap_or_default().repeat(1 + rng.below(4));
    bytes.splice(end..end, again);
}

fn put_in_random(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len() + 1);
    let new: Vec<u8> = (0..=rng.below(16)).map(|_| rng.next() as u8).collect();
    bytes.splice(at..at, new);
}

/// Puts a word in, or writes it over what is there.
fn put_word(rng: &mut Rng, bytes: &mut Vec<u8>, words: &[Vec<u8>]) {
    let Some(word) = rng.pick(words) else { return flip_bit(rng, bytes) };
    let at = rng.below(bytes.len() + 1);
    let over = if rng.below(2) == 0 { 0 } else { word.len() };
    bytes.splice(at..bytes.len().min(at + over), word.iter().copied());
}

fn copy_run(rng: &mut Rng, bytes: &mut [u8]) {
    let (start, end) = run(rng, bytes.len());
    let to = rng.below(bytes.len());
    let end = end.min(start + bytes.len() - to);
    if start < end {
        bytes.copy_within(start..end, to);
    }
}

/// The beginning of this, and the end of another.
fn splice(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = rng.below(bytes.len() + 1);
    let from = if rng.below(2) == 0 { at.min(other.len()) } else { rng.below(other.len() + 1) };
    bytes.truncate(at);
    bytes.extend_from_slice(other.get(from..).unwrap_or_default());
}

/// Another number where text has one.
fn change_digit(rng: &mut Rng, bytes: &mut [u8]) {
    let start = rng.below(bytes.len());
    let digit = b'0' + rng.below(10) as u8;
    if let Some(byte) = bytes.iter_mut().skip(start).find(|byte| byte.is_ascii_digit()) {
        *byte = digit;
    }
}
