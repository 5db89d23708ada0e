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

/// Finds or makes the secret.
///
/// # Errors
/// On PostgreSQL, where several instances must share it, and where the server listens beyond this machine, it has to be
/// set.
pub fn jwt_secret(config: &Config, serving: bool) -> Result<JwtSecret, ConfigError> {
    if let Some(secret) = &config.jwt_secret {
        return Ok(JwtSecret {
            secret: secret.clone(),
            made: false,
        });
    }
    let Some(file) = config.secret_file() else {
        return Err(ConfigError::new(SETTING, "must be set when the database is PostgreSQL"));
    };
    if serving && !config.listen.ip().is_loopback() {
        return Err(ConfigError::new(
            SETTING,
            "must be set when REKOMI_LISTEN is not a loopback address",
        ));
    }
    let failed = |error: std::io::Error| {
        ConfigError::new(
            SETTING,
            format!("is not set, and {} cannot be used: {error}", file.display()),
        )
    };
    match make(&file) {
        Ok(secret) => Ok(JwtSecret { secret, made: true }),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let secret = fs::read_to_string(&file).map_err(failed)?;
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
        let first = jwt_secret(&config, true).unwrap();
        let second = jwt_secret(&config, true).unwrap();
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
            let error = jwt_secret(&config(&settings), true).err().unwrap().to_string();
            assert!(error.starts_with("REKOMI_JWT_SECRET: must be set"), "{error}");
        }
    }
}
