//! The secret that signs tokens: from the settings, or made on the first run and kept beside an SQLite database.

use std::{fs, io::Write, path::Path};

use secrecy::SecretString;

use crate::config::{Config, ConfigError, MIN_JWT_SECRET_BYTES};

const SETTING: &str = "REKOMI_JWT_SECRET";

/// The secret, and whether it was made just now.
pub struct JwtSecret {
    pub secret: SecretString,
    pub made: bool,
}

/// The secret of a server. There may be none where tokens of other issuers are taken, and none can be made.
///
/// # Errors
/// On PostgreSQL, where several instances must share it, and where the server listens beyond this machine, it has to be
/// set; unless tokens of other issuers are taken.
pub fn for_serving(config: &Config) -> Result<Option<JwtSecret>, ConfigError> {
    match (set(config), config.secret_file()) {
        (Some(secret), _) => Ok(Some(secret)),
        (None, Some(file)) if config.listen.ip().is_loopback() => kept(&file).map(Some),
        _ if config.trusts_others() => Ok(None),
        (None, None) => Err(ConfigError::new(SETTING, "must be set when the database is PostgreSQL")),
        (None, Some(_)) => Err(ConfigError::new(
            SETTING,
            "must be set when REKOMI_LISTEN is not a loopback address",
        )),
    }
}

/// The secret that signs tokens for the server with these settings.
///
/// # Errors
/// There is none.
pub fn for_signing(config: &Config) -> Result<JwtSecret, ConfigError> {
    // A server that listens beyond this machine does not look into the file.
    let looks = config.listen.ip().is_loopback() || !config.trusts_others();
    match (set(config), config.secret_file().filter(|_| looks)) {
        (Some(secret), _) => Ok(secret),
        (None, Some(file)) => kept(&file),
        (None, None) => Err(ConfigError::new(SETTING, "must be set, for it signs the tokens")),
    }
}

fn set(config: &Config) -> Option<JwtSecret> {
    config
        .jwt_secret
        .clone()
        .map(|secret| JwtSecret { secret, made: false })
}

/// Reads the file, or makes it.
fn kept(file: &Path) -> Result<JwtSecret, ConfigError> {
    let failed = |error: std::io::Error| {
        ConfigError::new(
            SETTING,
            format!("is not set, and {} cannot be used: {error}", file.display()),
        )
    };
    match make(file) {
        Ok(secret) => Ok(JwtSecret { secret, made: true }),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let secret = fs::read_to_string(file).map_err(failed)?;
            if secret.trim().len() < MIN_JWT_SECRET_BYTES {
                let problem = format!("is not set, and {} holds no secret; delete that file", file.display());
                return Err(ConfigError::new(SETTING, problem));
            }
            Ok(JwtSecret {
                secret: secret.trim().into(),
                made: false,
            })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes the file, for its owner alone, if there is none. It appears whole or not at all.
fn make(file: &Path) -> std::io::Result<SecretString> {
    if file.exists() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    let secret = random_hex()?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Only its owner can read a temporary file (mode 600).
    let mut draft = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    writeln!(draft, "{secret}")?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(file).map_err(|error| error.error)?;
    Ok(secret.into())
}

/// 32 random bytes as hex digits.
pub fn random_hex() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        let find = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::from_lookup(find).unwrap()
    }

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/rekomi.db", folder.path().display());
        let config = config(&[("DATABASE_URL", &url)]);
        let first = for_serving(&config).unwrap().unwrap();
        let second = for_signing(&config).unwrap();
        assert!(first.made && !second.made);
        assert_eq!(first.secret.expose_secret(), second.secret.expose_secret());
        assert_eq!(first.secret.expose_secret().len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let file = fs::metadata(config.secret_file().unwrap()).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_shared_or_public_server_needs_a_set_secret() {
        for settings in [
            [("DATABASE_URL", "postgres://localhost/x")],
            [("REKOMI_LISTEN", "0.0.0.0:8080")],
        ] {
            let error = for_serving(&config(&settings)).err().unwrap().to_string();
            assert!(error.starts_with("REKOMI_JWT_SECRET: must be set"), "{error}");
        }
    }

    #[test]
    fn where_other_issuers_are_trusted_there_may_be_no_secret() {
        let jwks = ("REKOMI_JWKS_URL", "https://issuer.example/jwks.json");
        for settings in [
            [("DATABASE_URL", "postgres://localhost/x"), jwks],
            [("REKOMI_LISTEN", "0.0.0.0:8080"), jwks],
        ] {
            let config = config(&settings);
            assert!(for_serving(&config).unwrap().is_none());
            let error = for_signing(&config).err().unwrap().to_string();
            assert!(error.starts_with("REKOMI_JWT_SECRET: must be set"), "{error}");
        }
    }
}
