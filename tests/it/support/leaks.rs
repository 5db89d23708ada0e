//! Finds secrets in what a program has printed.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The ways in which a program may write bytes down.
fn writings(secret: &[u8]) -> Vec<String> {
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut all = vec![
        hex::encode(secret),
        numbers.join(", "),
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
    ];
    all.extend(String::from_utf8(secret.to_vec()));
    all
}

/// The secrets in a log, each with a line that has it.
pub fn leaks<'a>(log: &'a str, secrets: &[String]) -> Vec<(String, &'a str)> {
    let raw = secrets
        .iter()
        .filter_map(|secret| STANDARD.decode(secret).ok().filter(|key| key.len() == 32));
    let bytes = secrets.iter().map(|secret| secret.clone().into_bytes()).chain(raw);
    let writings = bytes.flat_map(|secret| writings(&secret));
    let line = |writing: &String| log.lines().find(|line| line.contains(writing));
    writings
        .filter_map(|writing| line(&writing).map(|line| (writing, line)))
        .collect()
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secrets = ["s3cret!".to_owned(), super::app::ENCRYPTION_KEY.to_owned()];
    let found = |log: &str| leaks(log, &secrets).len();
    assert_eq!(found("a\nb=s3cret! c\n"), 1);
    assert_eq!(found("[115, 51, 99, 114, 101, 116, 33]"), 1);
    assert_eq!(found("73336372657421"), 1);
    assert_eq!(found("czNjcmV0IQ=="), 1);
    assert_eq!(
        found("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        1
    );
    assert_eq!(found("s3cre t!"), 0);
}
