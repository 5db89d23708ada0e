//! Ids in Stripe's manner: a prefix and letters and digits, made from the clock's ids.

use uuid::Uuid;

use crate::clock::Clock;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new id, such as `in_1` and 22 letters and digits.
pub(super) fn stripe_id(clock: &Clock, prefix: &str) -> String {
    format!("{prefix}{}", base62(clock.new_id()))
}

/// Eight letters and digits, as Stripe makes for a coupon or a code that was given no text.
pub(super) fn short_text(clock: &Clock) -> String {
    let long = base62(clock.new_id());
    long[long.len().saturating_sub(8)..].to_owned()
}

fn base62(id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut text = [b'0'; 22];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    text.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_keeps_the_order_of_ids() {
        assert_eq!(base62(Uuid::from_u128(0)), "0".repeat(22));
        assert_eq!(base62(Uuid::from_u128(62)), format!("{}10", "0".repeat(20)));
        assert_eq!(base62(Uuid::max()), "7n42DGM5Tflk9n8mt7Fhc7");
    }
}
