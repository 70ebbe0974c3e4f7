//! Signed messages: BIP340 over a tagged hash, so that no message is ever a payment.

use cairn_ledger::{Address, Hash, SecretKey, Signature, schnorr};
use cairn_shared_keys::tagged;

/// What separates messages from everything else that a key signs.
const TAG: &str = "cairn/message";

/// A signature that is none, or of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not 64 bytes in hex.
    #[error("expected a signature of 128 lower-case hex digits")]
    NotASignature,
    /// It does not fit.
    #[error("the signature is not this address's for this message: the text differs, or somebody else signed")]
    Invalid,
}

fn digest(message: &str) -> Hash {
    tagged(TAG, &[message.as_bytes()])
}

/// Signs a message; `aux` is 32 fresh random bytes.
pub fn sign(key: &SecretKey, message: &str, aux: &[u8; 32]) -> Signature {
    key.sign(&digest(message), aux)
}

/// Verifies a signature, given in hex.
///
/// # Errors
/// It is none, or does not fit.
pub fn verify(address: &Address, message: &str, signature: &str) -> Result<(), MessageError> {
    let mut bytes = [0; 64];
    let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
    if !lower || hex::decode_to_slice(signature, &mut bytes).is_err() {
        return Err(MessageError::NotASignature);
    }
    schnorr::verify(address, &digest(message), &Signature::from_bytes(bytes)).map_err(|_| MessageError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_signers_and_no_other() {
        let key = SecretKey::from_bytes(&[1; 32]).expect("a key");
        let signature = sign(&key, "I was here", &[0; 32]).to_string();
        assert_eq!(verify(&key.address(), "I was here", &signature), Ok(()));
        assert_eq!(verify(&key.address(), "I was there", &signature), Err(MessageError::Invalid));
        let other = SecretKey::from_bytes(&[2; 32]).expect("a key").address();
        assert_eq!(verify(&other, "I was here", &signature), Err(MessageError::Invalid));
        for bad in ["", "00", &signature.to_uppercase(), &format!("{signature}00")] {
            assert_eq!(verify(&key.address(), "I was here", bad), Err(MessageError::NotASignature));
        }
    }

    /// A signed message must never be a signed payment: the digest of the bytes that a payment signs is another
    /// one when they are a message.
    #[test]
    fn a_message_is_never_a_payment() {
        assert_ne!(digest("x"), tagged("cairn/tx", &[b"x"]));
    }
}
