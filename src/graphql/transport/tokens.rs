//! How much a document holds before it is parsed.
//!
//! The parser builds a node for each token and calls itself for each bracket, so a megabyte of either costs far more
//! than a megabyte, and enough brackets the process's stack. This counts both in one pass, without keeping anything.

/// Names, numbers, strings and punctuators. GraphiQL's question about the schema has about 300.
pub(super) const MAX_TOKENS: usize = 10_000;
/// Brackets of all kinds that stand open at once.
pub(super) const MAX_NESTING: usize = 100;
/// Bytes of a name or a number: it is told again in errors about it, as often as there are some.
const MAX_WORD: usize = 200;
/// Directives on whatever there is.
pub(super) const MAX_DIRECTIVES: usize = 100;

/// What is too much about a document, in words; `None` where nothing is. What is no GraphQL is the parser's to say.
pub(super) fn excess(document: &str) -> Option<String> {
    let (mut tokens, mut nesting, mut directives) = (0, 0_usize, 0);
    let mut rest = document.as_bytes();
    while let Some((first, length)) = token(rest) {
        rest = &rest[length..];
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b'#' => continue,
            b'{' | b'(' | b'[' => nesting += 1,
            b'}' | b')' | b']' => nesting = nesting.saturating_sub(1),
            b'@' => directives += 1,
            _ if is_word(first) && length > MAX_WORD => {
                return Some(format!("the document has a name of more than {MAX_WORD} bytes"));
            }
            _ => {}
        }
        tokens += 1;
        let limits = [
            (tokens, MAX_TOKENS, "tokens"),
            (nesting, MAX_NESTING, "levels of brackets"),
            (directives, MAX_DIRECTIVES, "directives"),
        ];
        if let Some((_, limit, what)) = limits.iter().find(|(count, limit, _)| count > limit) {
            return Some(format!("the document has more than {limit} {what}"));
        }
    }
    None
}

/// The first byte of the next token, and how many bytes it has. A comment is one, too, and so is each blank.
fn token(text: &[u8]) -> Option<(u8, usize)> {
    let first = *text.first()?;
    let length = match first {
        b'#' => run(text, |byte| !matches!(byte, b'\n' | b'\r')),
        b'"' if text.starts_with(b"\"\"\"") => block_string(text),
        b'"' => string(text),
        _ if is_word(first) => run(text, is_word),
        _ => 1,
    };
    Some((first, length))
}

fn run(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len())
}

/// Of a name or a number.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.')
}

/// Up to its other quote, or to the end of the line, where it is broken.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn block_string(text: &[u8]) -> usize {
    let mut at = 3;
    while at < text.len() {
        match &text[at..] {
            rest if rest.starts_with(b"\\\"\"\"") => at += 4,
            rest if rest.starts_with(b"\"\"\"") => return at + 3,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(document: &str) -> usize {
        let (mut rest, mut count) = (document.as_bytes(), 0);
        while let Some((first, length)) = token(rest) {
            rest = &rest[length..];
            count += usize::from(!b" \t\n\r,#".contains(&first));
        }
        count
    }

    #[test]
    fn tokens_are_counted_as_the_language_has_them() {
        assert_eq!(count("{ a(b: -1.5e3, c: \"x { \\\" } y\") }"), 11);
        assert_eq!(count("# a { comment\n{ a } # and another"), 3);
        assert_eq!(count(r#"{ a(b: """ one " two \""" three """) }"#), 8);
        assert_eq!(count("query Q($a: [Int!]!) { a @skip(if: $a) ...F }"), 24);
        assert_eq!(count("{ a(b: \"broken\n) }"), 8);
        assert_eq!((count("\"\\"), count("\"\"\" x"), count("{ ü }")), (1, 1, 4));
    }

    #[test]
    fn each_limit_is_exact() {
        let tokens = |count: usize| excess(&"a ".repeat(count));
        assert_eq!(tokens(MAX_TOKENS), None);
        assert_eq!(
            tokens(MAX_TOKENS + 1).unwrap(),
            "the document has more than 10000 tokens"
        );
        for (open, close) in [("{a", "}"), ("(", ")"), ("[", "]")] {
            let nested = |count: usize| excess(&(open.repeat(count) + &close.repeat(count)));
            assert_eq!(nested(MAX_NESTING), None);
            let message = "the document has more than 100 levels of brackets";
            assert_eq!(nested(MAX_NESTING + 1).unwrap(), message);
        }
        let directives = |count: usize| excess(&"@a ".repeat(count));
        assert_eq!(directives(MAX_DIRECTIVES), None);
        assert_eq!(
            directives(MAX_DIRECTIVES + 1).unwrap(),
            "the document has more than 100 directives"
        );
        assert_eq!(excess(&"{ a } ".repeat(200)), None);
    }
}
