//! Argon2id makes a key of the password, XChaCha20-Poly1305 encrypts with it.

use super::format::{Header, Sealed};
use super::{KdfCost, KeystoreError, WalletSecret};
use crate::keys::{MAX_ACCOUNT, Secret, Words};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The least memory of one guess, in KiB: below it a graphics card guesses millions of times a second.
pub const MIN_MEMORY_KIB: u32 = 8 << 10;
/// The most memory a file may ask for, in KiB: 4 GiB.
pub const MAX_MEMORY_KIB: u32 = 4 << 20;
/// The most passes a file may ask for.
pub const MAX_ITERATIONS: u32 = 64;
const MAX_PARALLELISM: u32 = 16;

impl Sealed {
    pub fn seal(
        header: &Header,
        secret: &WalletSecret,
        password: &Secret,
        nonce: [u8; 24],
    ) -> Result<Self, KeystoreError> {
        let entropy = secret.words.entropy();
        let mut plain = Zeroizing::new(Vec::with_capacity(4 + entropy.len()));
        plain.extend_from_slice(&secret.account.to_le_bytes());
        plain.extend_from_slice(&entropy);
        let (cipher, aad) = (cipher(header, password)?, header.associated_data());
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .expect("a few bytes are within the cipher's length");
        Ok(Self { nonce, ciphertext })
    }

    pub fn open(&self, header: &Header, password: &Secret) -> Result<WalletSecret, KeystoreError> {
        let (cipher, aad) = (cipher(header, password)?, header.associated_data());
        let plain = cipher
            .decrypt(&XNonce::from(self.nonce), Payload { msg: &self.ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| KeystoreError::WrongPassword)?;
        let (account, entropy) = plain.split_first_chunk::<4>().ok_or(KeystoreError::Inconsistent)?;
        let account = u32::from_le_bytes(*account);
        let words = Words::from_entropy(entropy).map_err(|_| KeystoreError::Inconsistent)?;
        if account > MAX_ACCOUNT {
            return Err(KeystoreError::Inconsistent);
        }
        Ok(WalletSecret { words, account })
    }
}

/// Refuses costs a hostile file could stop this machine with.
pub(super) fn check_cost(cost: KdfCost) -> Result<(), KeystoreError> {
    for (what, got, min, max) in [
        ("kdf.memory_kib", cost.memory_kib, MIN_MEMORY_KIB, MAX_MEMORY_KIB),
        ("kdf.iterations", cost.iterations, 1, MAX_ITERATIONS),
        ("kdf.parallelism", cost.parallelism, 1, MAX_PARALLELISM),
    ] {
        if !(min..=max).contains(&got) {
            return Err(KeystoreError::Cost { what, got: got.into(), min: min.into(), max: max.into() });
        }
    }
    Ok(())
}

fn cipher(header: &Header, password: &Secret) -> Result<XChaCha20Poly1305, KeystoreError> {
    check_cost(header.cost)?;
    let KdfCost { memory_kib, iterations, parallelism } = header.cost;
    let out_of_memory = |_| KeystoreError::OutOfMemory { memory_kib };
    let params = Params::new(memory_kib, iterations, parallelism, Some(32)).map_err(out_of_memory)?;
    let mut key = Zeroizing::new([0; 32]);
    // The costs were checked, the lengths are fixed: only memory can still be missing.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), &header.salt, key.as_mut())
        .map_err(out_of_memory)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Argon2 reference implementation, src/test.c: Argon2id, version 0x13, 2 passes over 256 KiB.
    #[test]
    fn the_key_derivation_is_argon2id_1_3() {
        let params = Params::new(256, 2, 1, Some(32)).expect("within bounds");
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"password", b"somesalt", &mut key)
            .expect("enough memory");
        assert_eq!(hex::encode(key), "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }

    /// draft-irtf-cfrg-xchacha-03, A.3.1.
    #[test]
    fn the_cipher_is_xchacha20_poly1305() {
        let key: [u8; 32] = std::array::from_fn(|index| 0x80 + index as u8);
        let nonce: [u8; 24] = std::array::from_fn(|index| 0x40 + index as u8);
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").expect("hex");
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                      future, sunscreen would be it.";
        let sealed = XChaCha20Poly1305::new(&key.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .expect("short");
        assert!(hex::encode(&sealed).starts_with("bd6d179d3e83d43b9576579493c0e939"));
        assert!(hex::encode(&sealed).ends_with("c0875924c1c7987947deafd8780acf49"));
    }
}
