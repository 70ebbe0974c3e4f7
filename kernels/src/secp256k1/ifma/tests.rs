//! Lanes against the numbers and points of every other processor.

use super::*;
use crate::secp256k1::point::Addition;
use crate::secp256k1::tests::{edges, modelled, point};
use proptest::prelude::*;

/// The processor's own word, or a line that says why nothing is compared.
fn ifma() -> Option<Ifma> {
    let ifma = Ifma::detect();
    if ifma.is_none() {
        std::eprintln!("skipped: this processor has no AVX-512 IFMA");
    }
    ifma
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn computed(a: &[Field; LANES], b: &[Field; LANES]) -> [[Field; LANES]; 5] {
    let (a, b) = (from_fields(a), from_fields(b));
    // Reduced, but above 2²⁵⁶ where that can be: what functions hand to each other.
    let wide = sub(&sub(&a, &b), &a);
    [mul(&a, &b), square(&a), sub(&a, &b), mul(&wide, &wide), square(&sub(&wide, &wide))].map(|it| to_fields(&it))
}

fn compare(a: &[Field; LANES], b: &[Field; LANES]) {
    // SAFETY: the callers have asked the processor.
    let [product, square, difference, wide, zero] = unsafe { computed(a, b) };
    for lane in 0..LANES {
        let (a, b) = (a[lane], b[lane]);
        assert!(product[lane].equals(&a.mul(&b)), "{a:?} · {b:?}");
        assert!(square[lane].equals(&a.square()), "{a:?}²");
        assert!(difference[lane].equals(&a.sub(&b)), "{a:?} − {b:?}");
        assert!(wide[lane].equals(&b.square()), "(−{b:?})²");
        assert!(zero[lane].is_zero());
    }
}

#[test]
fn edges_are_those_of_the_field() {
    let Some(ifma) = ifma() else { return };
    let edges: Vec<Field> = edges().into_iter().map(Field::from_limbs).collect();
    for shift in 0..edges.len() {
        for (a, b) in edges.chunks_exact(LANES).zip(edges[shift..].chunks_exact(LANES)) {
            compare(a.try_into().unwrap(), b.try_into().unwrap());
        }
    }
    for x in edges.chunks_exact(ROOTS) {
        let x: &[Field; ROOTS] = x.try_into().unwrap();
        for (got, expected) in ifma.root_candidates(x).iter().zip(crate::secp256k1::field::root_candidates(x)) {
            assert!(got.equals(&expected));
        }
    }
}

#[test]
fn chords_are_those_of_points() {
    let Some(ifma) = ifma() else { return };
    // Short and long groups.
    for count in [1_usize, 7, 8, 9, 40, 513] {
        let mut points: Vec<Point> = (0..2 * count as i64).map(|n| point(n % 90 + 1)).collect();
        let chord = |(left, right): (usize, usize)| match points[left].addition(&points[right]) {
            Addition::Chord(run) => Chord { left, right, run },
            _ => unreachable!("neighbours are different points"),
        };
        let chords: Vec<Chord> = (0..count).map(|n| chord((2 * n, 2 * n + 1))).collect();
        let expected: Vec<_> = chords
            .iter()
            .map(|chord| points[chord.left].along_chord(&points[chord.right], &chord.run.invert().unwrap()))
            .collect();
        ifma.add_chords(&mut points, &chords, &mut Scratch::default()).unwrap();
        for (chord, expected) in chords.iter().zip(expected) {
            assert_eq!(points[chord.left].coordinates(), expected.coordinates());
        }
    }
    let zero = Chord { left: 0, right: 1, run: Field::ZERO };
    assert!(ifma.add_chords(&mut [point(1), point(1)], &[zero], &mut Scratch::default()).is_none());
    let outside = Chord { left: 0, right: 2, run: Field::ONE };
    assert!(ifma.add_chords(&mut [point(1), point(2)], &[outside], &mut Scratch::default()).is_none());
}

/// Any columns or limbs as a number modulo p, by the arithmetic of [`Field`] alone.
fn value(limbs: &[u64]) -> Field {
    let radix = Field::from_limbs([1 << 52, 0, 0, 0]);
    limbs.iter().rev().fold(Field::ZERO, |sum, limb| sum.mul(&radix).add(&Field::from_limbs([*limb, 0, 0, 0])))
}

fn registers<const N: usize>(lanes: &[[u64; N]; LANES]) -> [__m512i; N] {
    core::array::from_fn(|limb| to_register(lanes.map(|lane| lane[limb])))
}

/// The limbs of each lane, which must be reduced.
fn limbs(a: &Lanes) -> [[u64; 5]; LANES] {
    let columns = a.0.map(from_register);
    let lanes: [[u64; 5]; LANES] = core::array::from_fn(|lane| columns.map(|column| column[lane]));
    for lane in lanes {
        assert!(lane[..4].iter().all(|limb| limb >> 52 == 0) && lane[4] < (1 << 48) + (1 << 6), "{lane:x?}");
    }
    lanes
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check_limbs(a: &[[u64; 5]; LANES], b: &[[u64; 5]; LANES]) {
    let (l, r) = (Lanes(registers(a)), Lanes(registers(b)));
    let [product, square, difference, below] =
        [mul(&l, &r), square(&l), sub(&l, &r), below_2_256(&l)].map(|it| limbs(&it));
    let fields = to_fields(&l);
    for lane in 0..LANES {
        let (x, y) = (value(&a[lane]), value(&b[lane]));
        assert!(value(&product[lane]).equals(&x.mul(&y)), "{:x?} · {:x?}", a[lane], b[lane]);
        assert!(value(&square[lane]).equals(&x.square()), "{:x?}²", a[lane]);
        assert!(value(&difference[lane]).equals(&x.sub(&y)), "{:x?} − {:x?}", a[lane], b[lane]);
        assert!(below[lane][4] >> 48 == 0 && value(&below[lane]).equals(&x), "{:x?}", a[lane]);
        assert!(fields[lane].equals(&x), "{:x?}", a[lane]);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check_wide(columns: &[[u64; 10]; LANES], more: &[[u64; 6]; LANES]) {
    let reduced = limbs(&reduce(registers(columns)));
    let [l0, l1, l2, l3, l4, above] = registers(more);
    let carried = limbs(&carried([l0, l1, l2, l3, l4], above));
    for lane in 0..LANES {
        assert!(value(&reduced[lane]).equals(&value(&columns[lane])), "{:x?}", columns[lane]);
        let [l0, l1, l2, l3, l4, above] = more[lane];
        let above = Field::from_limbs([above, 0, 0, 0]).mul(&Field::from_limbs([FOLD as u64, 0, 0, 0]));
        let expected = value(&[l0, l1, l2, l3, l4 & TOP as u64]).add(&above);
        assert!(value(&carried[lane]).equals(&expected), "{:x?}", more[lane]);
    }
}

/// Every bound of the file, reached: the largest reduced limbs, columns and carries, and those next to them.
#[test]
fn the_largest_limbs_are_exact() {
    const MAX: u64 = LIMB as u64;
    const LOW: [u64; 4] = [0, 1, MAX - 1, MAX];
    // Around 2²⁵⁶, up to the most that a carry may leave.
    const HIGH: [u64; 6] = [0, 1, TOP as u64, 1 << 48, (1 << 48) + 1, (1 << 48) + 63];
    if ifma().is_none() {
        return;
    }
    let digit = |n: usize, place: u32| LOW[n / 4_usize.pow(place) % 4];
    let number = |n: usize| [digit(n, 0), digit(n, 1), digit(n, 2), digit(n, 3), HIGH[n / 256 % 6]];
    // All numbers, each with several others.
    for n in 0..1536_usize {
        for step in 0..8 {
            let a = core::array::from_fn(|lane| number(n + 191 * lane));
            let b = core::array::from_fn(|lane| number(977 * (n + step) + 5 * lane + step));
            // SAFETY: the processor was asked.
            unsafe { check_limbs(&a, &b) };
        }
    }
    let full = 9 * MAX;
    let wide = |n: usize| -> [u64; 10] {
        let mut columns = [full; 10];
        for (place, column) in columns.iter_mut().enumerate() {
            *column -= if n >> place & 1 == 1 { full } else { (n % 3) as u64 };
        }
        // Below 2⁵² together with what is carried in.
        columns[9] = if n >> 9 & 1 == 1 { 0 } else { MAX - 9 };
        columns
    };
    let more = |n: usize| -> [u64; 6] {
        core::array::from_fn(|place| {
            let most = if place == 5 { (1 << 42) - 1 } else { (1 << 57) - 1 };
            if n >> place & 1 == 1 { (n / 64 % 2) as u64 } else { most - (n % 3) as u64 }
        })
    };
    for n in 0..1024 {
        // SAFETY: the processor was asked.
        unsafe {
            check_wide(&core::array::from_fn(|lane| wide(n + lane)), &core::array::from_fn(|lane| more(n + lane)))
        };
    }
}

/// Each line in all lanes at once.
fn same_in_all_lanes<const N: usize>(name: &str, compute: impl Fn([__m512i; N]) -> [__m512i; 5]) {
    for (words, expected) in modelled(name) {
        let inputs: [u64; N] = words[..].try_into().unwrap();
        for result in limbs(&Lanes(compute(registers(&[inputs; LANES])))) {
            assert_eq!(result[..], expected, "{name} {words:x?}");
        }
    }
}

fn halved(words: [__m512i; 10]) -> (Lanes, Lanes) {
    let [a0, a1, a2, a3, a4, b0, b1, b2, b3, b4] = words;
    (Lanes([a0, a1, a2, a3, a4]), Lanes([b0, b1, b2, b3, b4]))
}

#[test]
fn the_proven_models_are_these_lanes() {
    if ifma().is_none() {
        return;
    }
    // SAFETY: the processor was asked.
    same_in_all_lanes("lanes_reduce", |columns: [__m512i; 10]| unsafe { reduce(columns) }.0);
    // SAFETY: as above.
    same_in_all_lanes("lanes_carried", |[r0, r1, r2, r3, r4, above]| unsafe { carried([r0, r1, r2, r3, r4], above) }.0);
    same_in_all_lanes("lanes_mul", |words| {
        let (a, b) = halved(words);
        // SAFETY: as above.
        unsafe { mul(&a, &b) }.0
    });
    // SAFETY: as above.
    same_in_all_lanes("lanes_square", |words: [__m512i; 5]| unsafe { square(&Lanes(words)) }.0);
    same_in_all_lanes("lanes_sub", |words| {
        let (a, b) = halved(words);
        // SAFETY: as above.
        unsafe { sub(&a, &b) }.0
    });
    // SAFETY: as above.
    same_in_all_lanes("lanes_below", |words: [__m512i; 5]| unsafe { below_2_256(&Lanes(words)) }.0);
}

proptest! {
    #[test]
    fn any_numbers_are_those_of_the_field(a in any::<[[u64; 4]; LANES]>(), b in any::<[[u64; 4]; LANES]>()) {
        if let Some(ifma) = ifma() {
            let (a, b) = (a.map(Field::from_limbs), b.map(Field::from_limbs));
            compare(&a, &b);
            let x: [Field; ROOTS] = [a, b].concat().try_into().unwrap();
            for (got, expected) in ifma.root_candidates(&x).iter().zip(crate::secp256k1::field::root_candidates(&x)) {
                prop_assert!(got.equals(&expected));
            }
        }
    }
}
