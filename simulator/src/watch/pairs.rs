//! How nodes have treated each other: what sync asked in vain, and who has given nobody a reason to complain.

use super::Answered;
use crate::executor::Nanos;
use cairn_network::transport::Class;

const MINUTE: Nanos = 60_000_000_000;
/// An answer that takes so long may be taken for none.
const SLOW: Nanos = 1_500_000_000;
/// How often somebody is asked in vain before pauses have grown, and in each minute after that: where one of gossip's
/// blocks lacks something, whoever passed it on is asked for it, however often it was in vain.
const IN_VAIN: (u64, u64) = (30, 12);

/// What one node had of another.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Questions of sync in a row that brought nothing: how many, and since when.
    in_vain: Option<(u64, Nanos)>,
    /// Whether it was asked again and again, though all was in vain.
    pub is_nagged: bool,
    /// Questions that it answered late, or never.
    silent: u64,
    /// When those were asked that wait for their answers.
    open: Vec<Nanos>,
}

/// Whether it is sync that asks.
fn is_syncs(class: Class) -> bool {
    matches!(class, Class::Headers | Class::Bodies)
}

impl Pair {
    /// Whether it has let the other wait, by now.
    pub fn was_silent(&self, now: Nanos) -> bool {
        self.silent > 0 || self.open.iter().any(|since| now.saturating_sub(*since) > SLOW)
    }

    pub(super) fn note_silence(&mut self) {
        self.silent += 1;
    }

    pub(super) fn on_asked(&mut self, class: Class, now: Nanos) {
        self.open.push(now);
        if is_syncs(class) {
            let (count, since) = self.in_vain.get_or_insert((0, now));
            *count += 1;
            self.is_nagged |= *count > IN_VAIN.0 + IN_VAIN.1 * ((now - *since) / MINUTE);
        }
    }

    pub(super) fn on_answered(&mut self, class: Class, answer: &Answered<'_>, (waited, now): (Nanos, Nanos)) {
        let asked = now.saturating_sub(waited);
        if let Some(place) = self.open.iter().position(|since| *since == asked) {
            self.open.swap_remove(place);
        }
        match answer {
            Answered::Bytes(_) => {
                self.silent += u64::from(waited > SLOW);
                if is_syncs(class) {
                    self.in_vain = None;
                }
            }
            Answered::Timeout | Answered::Gone => self.silent += 1,
            Answered::Refused => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_asked_in_vain_more_and_more_rarely_is_not_nagged() {
        let second = MINUTE / 60;
        let nagged = |pause: &dyn Fn(u64) -> u64, answer: Answered<'_>| {
            let (mut pair, mut now) = (Pair::default(), 0);
            for n in 0..60 {
                pair.on_asked(Class::Headers, now);
                pair.on_answered(Class::Headers, &answer, (second, now + second));
                now += pause(n) * second;
            }
            pair.is_nagged
        };
        assert!(nagged(&|_| 1, Answered::Refused));
        assert!(!nagged(&|n| 1 << n.min(5), Answered::Refused), "the control: pauses grow");
        assert!(!nagged(&|_| 1, Answered::Bytes(&[])), "the control: it answers");
    }

    /// Whoever is asked and has not answered for long is silent before the question is given up.
    #[test]
    fn whoever_lets_others_wait_is_silent_before_they_give_up() {
        let mut pair = Pair::default();
        pair.on_asked(Class::Bodies, 0);
        assert!(!pair.was_silent(SLOW) && pair.was_silent(SLOW + 1));
        pair.on_answered(Class::Bodies, &Answered::Bytes(&[]), (SLOW, SLOW));
        assert!(!pair.was_silent(10 * SLOW), "it came in time");
        pair.on_asked(Class::Bodies, MINUTE);
        pair.on_answered(Class::Bodies, &Answered::Timeout, (SLOW, MINUTE + SLOW));
        assert!(pair.was_silent(2 * MINUTE));
    }
}
