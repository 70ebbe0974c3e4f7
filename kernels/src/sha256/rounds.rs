//! SHA-256 (FIPS 180-4 §6.2.2), written once over the operations of a register. A lane of a register is one message.
//!
//! The macros expand in modules that have `add`, `splat`, `rotate`, `shift`, `xor3`, `choice` and `majority` of their
//! registers.

/// Eight rounds with the words `$w` and the constants `$k`. They are written out, in the function that needs them: as a
/// function each, or with places that are not known beforehand, they keep their registers in memory.
macro_rules! rounds {
    ($state:ident, $w:ident, $k:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;
        rounds!(@one a b c d e f g h $w $k 0);
        rounds!(@one h a b c d e f g $w $k 1);
        rounds!(@one g h a b c d e f $w $k 2);
        rounds!(@one f g h a b c d e $w $k 3);
        rounds!(@one e f g h a b c d $w $k 4);
        rounds!(@one d e f g h a b c $w $k 5);
        rounds!(@one c d e f g h a b $w $k 6);
        rounds!(@one b c d e f g h a $w $k 7);
        $state = [a, b, c, d, e, f, g, h];
    }};
    (@one $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $w:ident $k:ident $at:literal) => {
        let big1 = xor3(rotate::<6>($e), rotate::<11>($e), rotate::<25>($e));
        let known = add(add($h, splat($k[$at])), $w[$at]);
        let one = add(add(known, choice($e, $f, $g)), big1);
        let big0 = xor3(rotate::<2>($a), rotate::<13>($a), rotate::<22>($a));
        $d = add($d, one);
        $h = add(one, add(big0, majority($a, $b, $c)));
    };
}

/// Replaces eight words of the schedule, after which come those of `$next`, by those sixteen places further.
macro_rules! extend {
    ($w:ident, $next:ident) => {
        extend!(@one $w 0, $w 1, $next 1, $next 6);
        extend!(@one $w 1, $w 2, $next 2, $next 7);
        extend!(@one $w 2, $w 3, $next 3, $w 0);
        extend!(@one $w 3, $w 4, $next 4, $w 1);
        extend!(@one $w 4, $w 5, $next 5, $w 2);
        extend!(@one $w 5, $w 6, $next 6, $w 3);
        extend!(@one $w 6, $w 7, $next 7, $w 4);
        extend!(@last $w, $next);
    };
    (@last $w:ident, $next:ident) => {
        extend!(@one $w 7, $next 0, $w 0, $w 5);
    };
    // The words one, nine and fourteen places further.
    (@one $w:ident $at:literal, $one:ident $p:literal, $nine:ident $q:literal, $fourteen:ident $r:literal) => {
        let (one, fourteen) = ($one[$p], $fourteen[$r]);
        let small1 = xor3(rotate::<17>(fourteen), rotate::<19>(fourteen), shift::<10>(fourteen));
        let small0 = xor3(rotate::<7>(one), rotate::<18>(one), shift::<3>(one));
        $w[$at] = add(add($w[$at], small0), add($nine[$q], small1));
    };
}

/// What is the same for registers of any size, over the operations of the module it stands in.
macro_rules! compression {
    ($feature:literal, $register:ty) => {
        /// The state after the rounds of these constants, eight each, of which the first sixteen have the words
        /// `words`.
        #[inline]
        #[target_feature(enable = $feature)]
        pub(crate) fn compressed(
            mut state: [$register; 8],
            words: [[$register; 8]; 2],
            k: &[[u32; 8]],
        ) -> [$register; 8] {
            let [mut first, mut second] = words;
            let (mut w, mut next) = (&mut first, &mut second);
            // A loop, not written out: sixty-four rounds do not fit where a processor keeps what it has decoded.
            for (left, k) in (0..k.len()).rev().zip(k) {
                rounds!(state, w, k);
                if left >= 2 {
                    extend!(w, next);
                }
                core::mem::swap(&mut w, &mut next);
            }
            state
        }

        /// A register for each number, which is in all of its lanes.
        #[inline]
        #[target_feature(enable = $feature)]
        pub(crate) fn splat_each<const N: usize>(numbers: &[u32; N]) -> [$register; N] {
            let mut registers = [splat(0); N];
            for (register, number) in registers.iter_mut().zip(numbers) {
                *register = splat(*number);
            }
            registers
        }
    };
}

pub(crate) use {compression, extend, rounds};
