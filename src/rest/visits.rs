//! What a request tells of who follows a link: the visitor's cookie, and whether anybody is there at all. Pure.

use axum::http::{HeaderMap, header};
use entity::id::ClickId;
use uuid::Uuid;

/// The cookie that joins a visitor's clicks.
pub const COOKIE: &str = "rk_visitor";

/// What programs that read pages by themselves call themselves, in lower case. Whoever else is taken for a person.
const PROGRAMS: [&str; 9] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "preview",
    "facebookexternalhit",
    "facebookcatalog",
    "whatsapp/",
    "embedly",
];
/// A make of telephones, and no program.
const NO_PROGRAM: &str = "cubot";

/// Pages that are fetched before anybody asks for them say so in one of these.
const AHEAD: [(&str, &str); 4] = [
    ("sec-purpose", "prefetch"),
    ("purpose", "prefetch"),
    ("x-purpose", "preview"),
    ("x-moz", "prefetch"),
];

/// Whether a program follows the link by itself: a crawler, what makes the preview of a message, a browser ahead of its user.
pub fn is_nobody(headers: &HeaderMap) -> bool {
    let lower = |name: &str| {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().to_ascii_lowercase()
    };
    let agent = lower(header::USER_AGENT.as_str()).replace(NO_PROGRAM, "");
    PROGRAMS.iter().any(|program| agent.contains(program))
        || AHEAD.iter().any(|(name, word)| lower(name).contains(word))
}

/// The visitor that the cookie names. What is not a value of ours is as good as none.
pub fn visitor(headers: &HeaderMap) -> Option<Uuid> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let value = pair.trim().strip_prefix(COOKIE)?.strip_prefix('=')?;
        // Written as all our ids are.
        let id: ClickId = format!("{}{value}", ClickId::PREFIX).parse().ok()?;
        Some(id.0).filter(|id| id.get_version_num() == 7)
    })
}

/// The cookie's line. It goes back to links alone, is no script's to read, and comes along when a link is followed from
/// another site.
pub fn set_cookie(visitor: Uuid, days: i32, secure: bool) -> String {
    let seconds = i64::from(days) * 24 * 60 * 60;
    let secure = if secure { "; Secure" } else { "" };
    let value = visitor.simple();
    format!("{COOKIE}={value}; Path=/r; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (name.parse::<HeaderName>().unwrap(), value)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn programs_are_nobody_and_browsers_somebody() {
        for nobody in [
            (
                "user-agent",
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ),
            ("user-agent", "facebookexternalhit/1.1"),
            (
                "user-agent",
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            ),
            ("user-agent", "WhatsApp/2.23.20.0"),
            (
                "user-agent",
                "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            ),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert!(is_nobody(&headers(&[nobody])), "{nobody:?}");
        }
        for somebody in [
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            ),
            (
                "user-agent",
                "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36",
            ),
            ("user-agent", "curl/8.5.0"),
            ("user-agent", "\u{ff}"),
            ("sec-purpose", ""),
            ("accept", "text/html"),
        ] {
            assert!(!is_nobody(&headers(&[somebody])), "{somebody:?}");
        }
    }

    #[test]
    fn only_a_value_of_ours_names_a_visitor() {
        let id = "0190000000007000800000000000000a";
        let visitor = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            visitor(&headers(&lines)).map(|id| id.simple().to_string())
        };
        let found = Some(id.to_owned());
        assert_eq!(visitor(&[&format!("rk_visitor={id}")]), found);
        assert_eq!(visitor(&[&format!("a=b; rk_visitor={id};c=d")]), found);
        assert_eq!(visitor(&["a=b", &format!("rk_visitor=old; rk_visitor={id}")]), found);
        for foreign in [
            String::new(),
            format!("rk_visitors={id}"),
            format!("rk_visitor={}", id.to_uppercase()),
            format!("rk_visitor={id}0"),
            "rk_visitor=".into(),
            "rk_visitor=0190000000004000800000000000000a".into(),
            "rk_visitor=00000000000000000000000000000000".into(),
            "rk_visitor=01900000-0000-7000-8000-00000000000a".into(),
            format!("RK_VISITOR={id}"),
            format!("\u{ff}; rk_visitor={id}"),
        ] {
            assert_eq!(visitor(&[&foreign]), None, "{foreign}");
        }
    }
}
