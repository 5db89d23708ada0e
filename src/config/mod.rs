//! The settings. The environment is read here and nowhere else; a missing or malformed setting is one line that names it.

mod graphql;
mod values;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::{
    auth::{claim_names::ClaimNames, keys::VerifyingKey, source::Source},
    db::DatabaseUrl,
    vault::Vault,
};
pub use graphql::GraphqlConfig;
use values::{cors_origins, feed_days, jwt_claims, jwt_public_keys, jwt_secret, list, origin, trusted_proxies, vault};

/// The fewest bytes of an HS256 secret (RFC 7518, section 3.2).
pub const MIN_JWT_SECRET_BYTES: usize = 32;

/// All settings, checked.
#[derive(Clone)]
pub struct Config {
    /// `DATABASE_URL`; default `sqlite://rekomi.db`.
    pub database: DatabaseUrl,
    /// `REKOMI_LISTEN`; default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// `REKOMI_PUBLIC_URL`; default `http://` and the listening address.
    pub public_url: Url,
    /// `REKOMI_JWT_SECRET`; at least 32 bytes.
    pub jwt_secret: Option<SecretString>,
    /// `REKOMI_JWT_PUBLIC_KEY`; public keys in PEM, with line breaks or `\n` in their place, or `@FILE`.
    pub jwt_public_keys: Arc<[VerifyingKey]>,
    /// `REKOMI_JWKS_URL`; `https://…`, `http://…` on this machine, or `file:///…`.
    pub jwks: Option<Source>,
    /// `REKOMI_JWT_CLAIMS`, a comma list, for tokens verified by the two above; default the usual names. With
    /// `REKOMI_JWT_BRAND` they are of that brand alone.
    pub jwt_claims: ClaimNames,
    /// `REKOMI_JWT_ISSUER`; default `rekomi`.
    pub jwt_issuer: String,
    /// `REKOMI_JWT_AUDIENCE`; default `rekomi`.
    pub jwt_audience: String,
    /// How long the feed is kept, from 1 to 3650 days.
    pub feed_days: u16,
    /// `REKOMI_ENCRYPTION_KEY`.
    pub vault: Vault,
    /// `STRIPE_API_BASE`; default `https://api.stripe.com`. A bare origin.
    pub stripe_api_base: Url,
    /// `STRIPE_SECRET_KEY`, for the default brand while it has none of its own.
    pub stripe_secret_key: Option<SecretString>,
    /// `STRIPE_WEBHOOK_SECRET`, a comma list, likewise.
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// `REKOMI_CORS_ORIGINS`, a comma list; default none.
    pub cors_origins: Vec<String>,
    /// `REKOMI_TRUSTED_PROXIES`, a comma list of addresses and networks; default none.
    pub trusted_proxies: Vec<IpNet>,
    /// What GraphQL's callers may ask for.
    pub graphql: GraphqlConfig,
    /// `REKOMI_LOG`; default `info`, without the chatter of three libraries.
    pub log_filter: String,
    /// `REKOMI_LOG_FORMAT`; default `pretty`.
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// One line: the setting and what is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self {
            setting,
            problem: problem.into(),
        }
    }
}

impl Config {
    /// Reads the process's environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads settings from anywhere; an empty one counts as not set.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        let or = |name, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let listen: SocketAddr = or("REKOMI_LISTEN", "127.0.0.1:8080")
            .parse()
            .map_err(|_| ConfigError::new("REKOMI_LISTEN", "must be an address and a port, such as 127.0.0.1:8080"))?;
        Ok(Self {
            database: or("DATABASE_URL", "sqlite://rekomi.db")
                .parse()
                .map_err(|problem: String| ConfigError::new("DATABASE_URL", problem))?,
            listen,
            public_url: origin(
                "REKOMI_PUBLIC_URL",
                &or("REKOMI_PUBLIC_URL", &format!("http://{listen}")),
            )?,
            jwt_secret: jwt_secret(get("REKOMI_JWT_SECRET"))?,
            jwt_public_keys: jwt_public_keys(get("REKOMI_JWT_PUBLIC_KEY"))?,
            jwks: get("REKOMI_JWKS_URL")
                .map(|url| {
                    url.parse()
                        .map_err(|problem: &str| ConfigError::new("REKOMI_JWKS_URL", problem))
                })
                .transpose()?,
            jwt_claims: jwt_claims(&or("REKOMI_JWT_CLAIMS", ""), get("REKOMI_JWT_BRAND"))?,
            jwt_issuer: or("REKOMI_JWT_ISSUER", "rekomi"),
            jwt_audience: or("REKOMI_JWT_AUDIENCE", "rekomi"),
            feed_days: feed_days(&or("REKOMI_FEED_DAYS", "30"))?,
            vault: vault(get("REKOMI_ENCRYPTION_KEY"))?,
            stripe_api_base: origin("STRIPE_API_BASE", &or("STRIPE_API_BASE", "https://api.stripe.com"))?,
            stripe_secret_key: get("STRIPE_SECRET_KEY").map(SecretString::from),
            stripe_webhook_secrets: list(get("STRIPE_WEBHOOK_SECRET")).map(SecretString::from).collect(),
            cors_origins: cors_origins(get("REKOMI_CORS_ORIGINS"))?,
            trusted_proxies: trusted_proxies(get("REKOMI_TRUSTED_PROXIES"))?,
            graphql: GraphqlConfig::from_lookup(get)?,
            log_filter: or(
                "REKOMI_LOG",
                "info,sea_orm_migration=warn,stripe=error,rustls_platform_verifier=off",
            ),
            log_format: match or("REKOMI_LOG_FORMAT", "pretty").as_str() {
                "pretty" => LogFormat::Pretty,
                "json" => LogFormat::Json,
                _ => return Err(ConfigError::new("REKOMI_LOG_FORMAT", "must be pretty or json")),
            },
        })
    }

    /// Whether tokens of other issuers are taken.
    pub fn trusts_others(&self) -> bool {
        self.jwks.is_some() || !self.jwt_public_keys.is_empty()
    }

    /// The file beside an SQLite database that keeps a secret made on the first run.
    pub fn secret_file(&self) -> Option<PathBuf> {
        match &self.database {
            DatabaseUrl::Sqlite(path) => Some(path.with_extension("jwt-secret")),
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
        let find = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::from_lookup(find).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_a_local_sqlite_server() {
        let config = read(&[]).ok().unwrap();
        assert_eq!(config.database, DatabaseUrl::Sqlite("rekomi.db".into()));
        assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(config.secret_file(), Some("rekomi.jwt-secret".into()));
    }

    #[test]
    fn trusted_proxies_are_addresses_and_networks() {
        let proxies = |text: &str| read(&[("REKOMI_TRUSTED_PROXIES", text)]).map(|config| config.trusted_proxies);
        let shown = |text| proxies(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        let read = shown("10.0.0.0/8, ::1,fd00::/8 ,192.0.2.7, ::ffff:192.0.2.8, ::ffff:10.0.0.0/104");
        let expected = [
            "10.0.0.0/8",
            "::1/128",
            "fd00::/8",
            "192.0.2.7/32",
            "192.0.2.8/32",
            "10.0.0.0/8",
        ];
        assert_eq!(read.unwrap(), expected);
        assert_eq!(shown("").unwrap(), Vec::<String>::new());
        for wrong in [
            "proxy.example",
            "10.0.0.0/33",
            "10.0.0.1:80",
            "10.0.0.0-10.0.0.9",
            "10.0.0/8",
        ] {
            assert!(
                shown(wrong).unwrap_err().starts_with("REKOMI_TRUSTED_PROXIES: "),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_public_key_may_be_written_in_one_line_or_kept_in_a_file() {
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAeYjVD9Z7ImrdAYlp+4BeftC8OWB4WC34pQyYoHVZUGo=\n-----END PUBLIC KEY-----\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        for value in [pem, &pem.replace('\n', "\\n"), &format!("@{}", file.path().display())] {
            let config = read(&[("REKOMI_JWT_PUBLIC_KEY", value)]).ok().unwrap();
            assert!(config.jwt_public_keys.len() == 1 && config.trusts_others());
        }
    }

    #[test]
    fn a_malformed_setting_is_one_line_that_names_it() {
        let cases = [
            ("REKOMI_LISTEN", "8080"),
            ("DATABASE_URL", "mysql://x"),
            ("REKOMI_JWT_SECRET", "short"),
            ("REKOMI_JWT_PUBLIC_KEY", "@/nowhere/short.pem"),
            (
                "REKOMI_JWT_PUBLIC_KEY",
                "-----BEGIN PRIVATE KEY-----\nshort\n-----END PRIVATE KEY-----",
            ),
            ("REKOMI_JWKS_URL", "http://issuer.example/short"),
            ("REKOMI_JWT_CLAIMS", "brand=/short,brand=/short"),
            ("REKOMI_JWT_BRAND", "acme"),
            ("REKOMI_FEED_DAYS", "0"),
            ("REKOMI_FEED_DAYS", "3651"),
            ("REKOMI_FEED_DAYS", "short"),
            ("REKOMI_ENCRYPTION_KEY", "c2hvcnQ="),
            ("STRIPE_API_BASE", "https://api.stripe.com/v1"),
            ("REKOMI_PUBLIC_URL", "example.com"),
            ("REKOMI_CORS_ORIGINS", "https://a.test, nonsense"),
            ("REKOMI_LOG_FORMAT", "xml"),
            ("REKOMI_RATE_LIMIT", "short"),
            ("REKOMI_RATE_LIMIT", "-1"),
            ("REKOMI_RATE_LIMIT", "60000001"),
            ("REKOMI_RATE_LIMIT_ADDRESS", "1.5"),
            ("REKOMI_INTROSPECTION", "short"),
            ("REKOMI_GRAPHIQL", "yes"),
            ("REKOMI_QUERY_TIMEOUT", "10"),
            ("REKOMI_QUERY_TIMEOUT", "0s"),
            ("REKOMI_PERSISTED_DOCUMENTS", "/nowhere/short.json"),
            ("REKOMI_PERSISTED_DOCUMENTS", "Cargo.toml"),
            ("REKOMI_PERSISTED_DOCUMENTS_BIND_OWNERS", "short"),
        ];
        for (setting, value) in cases {
            let error = read(&[(setting, value)]).err().unwrap();
            assert!(error.starts_with(&format!("{setting}: ")), "{error}");
            assert!(!error.contains('\n') && !error.contains("short"), "{error}");
        }
    }
}
